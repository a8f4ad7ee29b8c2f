"""Debian's Chromium, and a page that must neither complain nor ask a network for anything."""

from pathlib import Path

import pytest

from components.report.page import render

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# Not of the session: Playwright's loop would be in the way of tests that start their own.
@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    playwright = pytest.importorskip("playwright.sync_api").sync_playwright().start()
    chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
    yield chromium
    chromium.close()
    playwright.stop()


@pytest.fixture
def open_report(browser, tmp_path):
    """Opens a report from disk in a fresh window; what went wrong in it fails the test."""
    contexts, complaints = [], []
    path = tmp_path / "index.html"

    def open_page(report, width=1280, theme="light"):
        path.write_text(render(report), encoding="utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce"
        )
        contexts.append(context)
        context.on("request", lambda request: complain_unless_own(request.url))
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        return page

    def complain_unless_own(url):
        if url.split("#")[0] != path.as_uri() and not url.startswith("data:"):
            complaints.append(f"asked for {url}")

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
