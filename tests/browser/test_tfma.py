"""The page of TFMA's dashboards in Chromium, without Google Charts and with a stand-in for it."""

import pytest

from tests.components.report.test_tfma import served, write_evaluation

LOADER = "https://www.gstatic.com/charts/loader.js"
STAND_IN = """
google = {charts: {load: () => Promise.resolve(), setOnLoadCallback: done => done()}};
google.visualization = {events: {addListener() {}, addOneTimeListener() {}}};
google.visualization.ChartWrapper = google.visualization.ColumnChart = class {
  draw() {} getChart() {} setChartType() {} setDataTable() {} setOptions() {} setSelection() {}
};
google.visualization.arrayToDataTable = google.visualization.DataTable = class {};
"""
"""Google Charts cannot be had offline; this one loads, and draws nothing."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    output = tmp_path_factory.mktemp("run")
    write_evaluation(output, baseline=True)
    report = output / "report" / "index.html"
    report.parent.mkdir()
    report.write_text("<title>The report</title>")
    return output


@pytest.fixture(scope="module")
def address(run):
    with served(run) as address:
        yield address


@pytest.fixture
def page(browser):
    """A page that reaches this machine only."""
    page = browser.new_page()
    page.asked = []

    def hold(route):
        page.asked.append(route.request.url)
        route.abort()

    page.route(lambda url: not url.startswith("http://127.0.0.1:"), hold)
    yield page
    page.close()


def matrix(page):
    """The cells of the confusion matrix, row by row; the first two columns are class and total."""
    rows = page.locator("tfma-multi-class-confusion-matrix-at-thresholds .row")
    rows.first.wait_for()
    return [rows.nth(index).locator(".cell").all_inner_texts() for index in range(rows.count())]


def test_without_google_charts_the_page_says_so_and_points_to_the_report(page, address, run):
    page.goto(address)
    banner = page.get_by_role("alert")
    banner.wait_for(timeout=4000)
    assert "Google Charts could not be loaded" in banner.inner_text()
    assert page.asked == [LOADER]
    link = banner.get_by_role("link")
    assert link.inner_text() == str(run / "report" / "index.html")
    link.click()
    assert page.title() == "The report"


def test_a_loader_that_never_answers_counts_as_lost(page, address):
    page.route(LOADER, lambda route: None)
    page.goto(address, wait_until="domcontentloaded")
    banner = page.get_by_role("alert")
    banner.wait_for(timeout=9000)
    assert "Google Charts could not be loaded" in banner.inner_text()


def test_with_google_charts_there_is_no_banner(page, address):
    page.route(LOADER, lambda route: route.fulfill(body=STAND_IN, content_type="text/javascript"))
    page.goto(address)
    page.wait_for_function("window.google?.visualization && document.title != 'TFMA dashboards'")
    # Longer than the page's patience.
    page.wait_for_timeout(6000)
    assert page.get_by_role("alert").count() == 0


def test_the_confusion_matrix_needs_no_charts_and_names_the_classes(page, address):
    page.goto(address)
    page.locator("tfma-multi-class-confusion-matrix-at-thresholds >> text=daisy").first.wait_for()
    rows = {cells[0].strip(): cells[1:] for cells in matrix(page)}
    assert {"daisy", "Gänseblümchen", "<b>tulip</b>"} < set(rows)


def test_model_slices_and_plot_can_be_picked(page, address):
    page.goto(address)
    metrics = page.locator("tfma-nb-slicing-metrics")
    metrics.wait_for(state="attached")
    page.get_by_label("Model").select_option("baseline")
    page.get_by_label("Slice by").select_option("label")
    page.get_by_label("Slice", exact=True).select_option("label:daisy")
    page.wait_for_function(
        "document.querySelector('tfma-nb-slicing-metrics')?.data?.length == 3 &&"
        "document.querySelector('tfma-nb-plot')?.config?.sliceName == 'label:daisy'"
    )
    data = metrics.evaluate("element => element.data")
    daisy = next(each for each in data if each["slice"] == "label:daisy")
    accuracy = daisy["metrics"][""][""]["accuracy"]["doubleValue"]
    assert accuracy == pytest.approx(1 / 3)
    page.locator("tfma-nb-plot >> text=Plot for label:daisy").wait_for()
