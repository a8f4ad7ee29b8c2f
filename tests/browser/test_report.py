"""The report in a real browser: it works from disk, by mouse and by keyboard, in both themes."""

import time
from dataclasses import replace

import pytest

from components.report.page import render
from tests.browser.made_up import (
    ALL_SECTIONS,
    EVIL,
    empty_report,
    failed_report,
    full_report,
    images,
    names_of,
)

CELL = """
([truth, taken]) => {
  const figure = document.querySelector("#chart-confusion");
  figure.scrollIntoView({ block: "center" });
  const view = figure.drawn.view;
  const drawing = figure.querySelector("svg, canvas").getBoundingClientRect();
  const middle = (scale, value) => scale(value) + (scale.bandwidth ? scale.bandwidth() / 2 : 0);
  return [
    drawing.x + view.origin()[0] + middle(view.scale("x"), taken),
    drawing.y + view.origin()[1] + middle(view.scale("y"), truth),
  ];
}
"""
"""Where a cell of the confusion matrix is on the screen, in CSS pixels."""

CONTRASTS = """
() => {
  const light = (colour) => {
    const part = colour.match(/[0-9.]+/g).slice(0, 3)
      .map((each) => each / 255)
      .map((each) => (each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  };
  const behind = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    const clear = colour === "rgba(0, 0, 0, 0)";
    return clear && element.parentElement ? behind(element.parentElement) : colour;
  };
  const found = [];
  for (const element of document.querySelectorAll("body *:not(script)")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest("svg, noscript")) continue;
    const pair = [light(getComputedStyle(element).color), light(behind(element))];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < 4.5) found.push(`${element.textContent.trim()}: ${ratio.toFixed(2)}`);
  }
  return found;
}
"""
"""Texts whose contrast is below WCAG's 4.5 to 1."""


def sections(page):
    return page.eval_on_selector_all("main > section", "all => all.map(each => each.id)")


def column(page, index, table="#class-table"):
    cells = page.locator(f"{table} tbody tr > :nth-child({index + 1})").all_text_contents()
    return [text.strip() for text in cells]


def shown_cell(page):
    return page.locator("#cell h3").text_content()


def test_a_full_report_has_every_section_and_a_link_to_each(open_report):
    page = open_report(full_report())
    assert sections(page) == ALL_SECTIONS
    assert page.locator("nav a").count() == len(ALL_SECTIONS)
    for link in page.locator("nav a").all():
        assert page.locator(link.get_attribute("href")).count() == 1


@pytest.mark.parametrize(
    ("report", "expected"), [(empty_report, ["verdict"]), (failed_report, ["verdict", "steps"])]
)
def test_what_has_no_data_has_no_section(open_report, report, expected):
    page = open_report(report())
    assert sections(page) == expected
    assert page.locator("[data-chart]").count() == 0


def test_a_failure_says_first_and_large_why(open_report):
    page = open_report(failed_report())
    assert "Failed" in page.inner_text("#verdict h2")
    size = "element => parseFloat(getComputedStyle(element).fontSize)"
    assert page.eval_on_selector(".reasons", size) > page.eval_on_selector("body", size)
    assert "no images are left" in page.inner_text(".reasons")


def test_a_click_sorts_and_another_one_turns_it_round(open_report):
    page = open_report(full_report())
    head = page.locator("#class-table th", has_text="Recall")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    rising = [float(text) for text in column(page, 3)[:-1]]
    assert rising == sorted(rising)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert [float(text) for text in column(page, 3)[:-1]] == rising[::-1]
    assert column(page, 3)[-1] == "\N{EN DASH}"


def test_the_keyboard_sorts_too(open_report):
    page = open_report(full_report())
    page.locator("#class-table th button").first.focus()
    page.keyboard.press("Enter")
    assert column(page, 0) == sorted(column(page, 0))
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    counts = [int(text) for text in column(page, 1)]
    assert counts == sorted(counts)


def test_many_classes_can_be_filtered(open_report):
    page = open_report(full_report(30))
    page.fill("#filter", "KIND 00")
    left = page.locator("#class-table tbody tr:visible th").all_text_contents()
    assert left == [name for name in names_of(30) if "kind 00" in name]
    assert page.inner_text("output").endswith(" of 30 classes")


@pytest.mark.parametrize("classes", [10, 30, 60])
def test_a_click_on_a_cell_shows_its_images(open_report, classes):
    report = full_report(classes)
    page = open_report(report)
    truth, taken = next(cell for cell in report.confusion.pictures if abs(cell[0] - cell[1]) > 1)
    page.mouse.click(*page.evaluate(CELL, [truth, taken]))
    names = report.class_names
    assert shown_cell(page).startswith(f"{names[truth]} taken for {names[taken]}: ")
    pictures = page.locator("#cell img")
    assert pictures.count() == len(report.confusion.pictures[truth, taken])
    assert pictures.first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 64


def test_pointing_at_a_cell_names_its_classes(open_report):
    report = full_report(30)
    page = open_report(report)
    truth, taken = next((t, p) for t, p, _ in report.confusion.cells if t == 1 and p != 1)
    page.mouse.move(*page.evaluate(CELL, [truth, taken]))
    tooltip = page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    assert EVIL[0] in tooltip.inner_text()
    assert report.class_names[taken] in tooltip.inner_text()


def test_the_keyboard_reaches_the_images_of_a_confusion(open_report):
    page = open_report(full_report())
    largest = page.locator("[data-cell]").first
    largest.focus()
    page.keyboard.press("Enter")
    assert largest.get_attribute("aria-pressed") == "true"
    assert page.locator("#cell img").count() > 0


def test_the_lists_reach_every_cell(open_report):
    report = full_report()
    page = open_report(report)
    page.select_option("#cell-true", label="six")
    page.select_option("#cell-taken", value="6")
    count = next(n for t, p, n in report.confusion.cells if t == p == 6)
    assert shown_cell(page).startswith(f"six, recognised: {count} image")
    assert "no image of this cell" in page.inner_text("#cell")


def test_the_first_pictures_are_there_when_one_comes_to_them(open_report):
    page = open_report(full_report())
    for gallery in ("#samples", "#mistakes"):
        page.locator(f"{gallery} img").first.scroll_into_view_if_needed()
        page.wait_for_function(
            "where => document.querySelector(`${where} img`).naturalWidth > 0", arg=gallery
        )
    assert page.locator("#mistakes .hole").count() == 1


def test_every_picture_says_what_it_shows(open_report):
    page = open_report(full_report())
    page.locator("[data-cell]").first.click()
    assert page.locator("img:not([alt]), img[alt='']").count() == 0


def test_the_pictures_of_the_data_are_shown(open_report):
    page = open_report(full_report())
    for image in page.locator("#data .sheet img").all():
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 600
    assert page.locator("#data .sheet img").count() == 2


@pytest.mark.parametrize(
    ("classes", "chart", "said"),
    [
        (10, "data-sides", ["shorter side in pixels", "train", "eval"]),
        (10, "data-sizes", ["size in bytes", "train", "eval"]),
        (1000, "data-labels", ["class", "train", "eval"]),
    ],
)
def test_pointing_at_a_bin_tells_what_each_split_has_there(open_report, classes, chart, said):
    page = open_report(replace(failed_report(), images=images(classes), class_names=names_of(1000)))
    figure = page.locator(f"#chart-{chart}")
    figure.scroll_into_view_if_needed()
    figure.hover()
    tooltip = page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    assert [text.strip() for text in tooltip.locator("td.key").all_text_contents()] == said


def test_the_bars_of_a_class_have_its_name(open_report):
    page = open_report(replace(failed_report(), images=images(30), class_names=names_of(30)))
    text = page.locator("#chart-data-labels svg").text_content()
    assert "kind 000" in text
    # As text, and cut where it is too long.
    assert EVIL[0][:12] in text
    assert {"train", "eval"} <= set(page.locator("#chart-data-labels svg text").all_text_contents())


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("report", [full_report, failed_report])
def test_text_is_legible_in_both_themes(open_report, theme, report):
    page = open_report(report(), theme=theme)
    assert page.evaluate(CONTRASTS) == []


def test_charts_follow_the_theme(open_report):
    page = open_report(full_report())
    colour = "() => getComputedStyle(document.querySelector('#chart-calibration text')).fill"
    drawn = "() => Number(document.querySelector('#chart-training-loss').dataset.drawn)"
    light, before = page.evaluate(colour), page.evaluate(drawn)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"before => ({drawn})() > before", arg=before)
    assert page.evaluate(colour) != light


@pytest.mark.parametrize("classes", [10, 30, 1000])
def test_a_phone_scrolls_downwards_only(open_report, classes):
    page = open_report(full_report(classes), width=360)
    page.locator("[data-cell]").first.click()
    page.evaluate("document.querySelectorAll('details').forEach(each => (each.open = true))")
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_ten_classes_stay_small():
    assert len(render(full_report(side=96)).encode()) < 5e6


def test_a_thousand_classes_stay_small_and_open_fast(open_report):
    report = full_report(1000)
    assert len(render(report).encode()) < 10e6
    page = open_report(report)
    start = time.perf_counter()
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    assert time.perf_counter() - start < 3
    assert page.locator("#class-table tbody tr").count() == 1000
    assert page.locator("#chart-confusion canvas").count() == 1
    assert page.locator("#chart-data-labels canvas").count() == 1
