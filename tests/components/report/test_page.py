"""The report's page as text: what it says, and what it must never contain."""

import base64
import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import vl_convert

from components.report import charts, formats, page
from components.report.content import BLESSED, Number, Report, Spread
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


class Reader(HTMLParser):
    """Elements and text as a browser would take them."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.text, self.scripts, self.open = [], [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.open = tag

    def handle_endtag(self, tag):
        self.open = ""

    def handle_data(self, text):
        target = self.scripts if self.open == "script" else self.text
        if self.open != "style":
            target.append(text)


@pytest.fixture(scope="module")
def full():
    return Reader(render(full_report(30)))


def sections(reader):
    return [attributes["id"] for tag, attributes in reader.elements if tag == "section"]


def said(reader):
    return re.sub(r"\s+", " ", " ".join(reader.text))


def test_sections_stand_in_their_order(full):
    assert sections(full) == ALL_SECTIONS


@pytest.mark.parametrize(
    ("report", "expected"), [(empty_report, ["verdict"]), (failed_report, ["verdict", "steps"])]
)
def test_only_what_has_data_has_a_section(report, expected):
    assert sections(Reader(render(report()))) == expected


def test_a_page_without_charts_does_not_carry_their_libraries():
    assert len(render(failed_report())) < 50_000


def test_a_class_with_an_evil_name_is_only_text(full):
    assert not any(attributes.get("src") == "x" for _, attributes in full.elements)
    assert not any("alert(" in text for text in full.scripts if not text.startswith("{"))
    assert EVIL[0] in said(full)
    assert EVIL[1] in said(full)


def test_the_temperature_and_the_threshold_stand_beside_the_reliability_curve(full):
    text = re.sub(r" (?=[.,)])|(?<=\() ", "", said(full))
    assert "Temperature 1.4142 divides the logits: fitted on 1,200 images of the eval split" in text
    assert "by the temperature of the other half) from 0.0871 to 0.0298." in text
    assert "Below 0.6000 (serving.min_confidence) the model names no class." in text
    assert "for 1,050 of 1,200 images of the eval split (87.5 %), and 91.4 % of these" in text
    data = json.loads(next(each for each in full.scripts if each.startswith("{")))
    rows = [
        layer["data"]["values"]
        for layer in data["charts"]["calibration"]["layer"]
        if "data" in layer
    ]
    assert [values[0].get("whose") for values in rows] == [
        None, *["before the temperature"] * 2, *["the model"] * 2
    ]  # fmt: skip
    without = replace(full_report(), temperature=None, abstention=None)
    plain = Reader(render(without))
    assert "Temperature" not in said(plain)
    assert "min_confidence" not in said(plain)
    data = json.loads(next(each for each in plain.scripts if each.startswith("{")))
    assert len(data["charts"]["calibration"]["layer"]) == 3


def test_the_data_survive_their_script_element(full):
    data = json.loads(next(text for text in full.scripts if text.startswith("{")))
    assert data["names"][1:3] == list(EVIL)
    assert set(data["charts"]) == {
        "confusion", "calibration", "training-accuracy", "training-loss",
        "data-sides", "data-sizes", "data-labels",
    }  # fmt: skip


def test_no_address_of_a_network_is_loaded(full):
    loaded = [attributes.get("src", "") for tag, attributes in full.elements if tag != "a"]
    assert {source.partition(":")[0] for source in loaded if source} == {"data"}
    policy = next(a["content"] for t, a in full.elements if "http-equiv" in a)
    assert policy.startswith("default-src 'none'")


def test_a_picture_that_two_parts_show_is_embedded_once():
    report = full_report()
    first = report.mistakes[0]
    assert first in {spot for spots in report.confusion.pictures.values() for spot in spots}
    encoded = base64.b64encode(report.pictures[first].image).decode()
    assert render(report).count(encoded) == 1


def test_epochs_may_lack_a_figure():
    history = ({"epoch": 1.0, "loss": 0.5}, {"epoch": 2.0, "loss": 0.4, "val_loss": 0.6})
    assert "0.6000" in render(replace(empty_report(), history=history))


def test_what_is_not_known_is_never_a_nan_or_none(full):
    assert not re.search(r"\b(NaN|nan|None|undefined|Infinity)\b", said(full))
    assert "not measured" in said(full)


def test_numbers_that_are_not_finite_do_not_break_the_page():
    report = replace(
        full_report(),
        metrics={"loss": Number(math.inf, math.nan, math.nan, math.nan)},
        calibration_error=math.nan,
        history=({"epoch": 1.0, "loss": math.nan, "val_loss": None, "restored": 1.0},),
    )
    reader = Reader(render(report))
    data = json.loads(next(text for text in reader.scripts if text.startswith("{")))
    assert "training-loss" not in data["charts"]
    assert "Expected calibration error not measured" in said(reader)


def test_a_name_that_is_no_text_can_be_saved():
    report = Report("x", "1", "2025-03-01T12:30:05", BLESSED, class_names=("\udce9t\udce9",))
    assert render(report).encode("utf-8")


def test_many_gates_are_folded_and_those_that_failed_are_not(full):
    assert "30 gates that were passed" in said(full)
    assert said(full).index("no such image") < said(full).index("30 gates")


def test_the_configuration_reads_as_yaml(full):
    assert "batch_size: 32" in said(full)
    assert "seed: null" in said(full)


def test_both_pictures_of_the_data_are_in_the_page(full):
    report = full_report(30)
    sources = [attributes["src"] for tag, attributes in full.elements if "src" in attributes]
    for image in (report.stored_images, report.trained_images):
        assert base64.b64encode(image).decode() in {each.partition(",")[2] for each in sources}


def test_images_are_told_split_by_split(full):
    images = full_report(30).images
    for split in images.splits:
        assert f"{split.count:,}" in said(full)
    assert "Size in bytes" in said(full)
    assert all(name in said(full) for name in ("jpeg", "png", "gif"))


def test_rejects_are_told_by_reason_and_split(full):
    assert "5 of 5,205 records were set aside" in said(full)
    assert "Reason train eval Together" in said(full)
    assert "truncated 3 1 4" in said(full)
    assert "too many pixels 1 0 1" in said(full)


def test_checks_that_failed_come_first_and_say_what_they_do(full):
    text = said(full)
    places = [text.index(words) for words in ("eval split are in", "12.5 images", "5 of 5,205 im")]
    assert places == sorted(places)
    assert "3 \N{EN DASH} reported" in text
    assert "12.5 10 stops the run" in text


def test_many_checks_are_folded_and_those_that_failed_are_not(full):
    checks = full_report().checks
    passed = [check for check in checks if check.passed] * 20
    text = said(Reader(render(replace(empty_report(), checks=(*passed, *checks)))))
    assert "21 checks that were passed" in text
    assert text.index("12.5 images") < text.index("21 checks")


@pytest.mark.parametrize("part", ["images", "checks", "stored_images", "statistics"])
def test_each_part_of_the_data_can_be_there_alone(part):
    report = replace(empty_report(), **{part: getattr(full_report(), part)})
    assert sections(Reader(render(report))) == ["verdict", "data"]


def test_of_many_classes_both_ends_are_listed():
    report = replace(empty_report(), class_names=names_of(1000), images=images(1000))
    reader = Reader(render(report))
    assert "The largest and the smallest of 1,000 classes." in said(reader)
    listed = [tag for tag, attributes in reader.elements if attributes.get("scope") == "row"]
    assert len(listed) == 5 + 3 + 20


@pytest.mark.parametrize("classes", [2, 10, 30, 60])
def test_charts_are_valid_vega_lite(classes):
    for spec in charts.specs(full_report(classes)).values():
        assert vl_convert.vegalite_to_vega(spec)["marks"]


def test_a_large_matrix_has_dots_and_no_labels():
    spec = charts.confusion(((0, 0, 5), (0, 59, 2)), [str(i) for i in range(60)])
    assert spec["usermeta"]["dots"]
    assert '"labels": false' in json.dumps(spec)


def test_a_matrix_without_mistakes_can_be_drawn():
    assert vl_convert.vegalite_to_vega(charts.confusion(((0, 0, 5), (1, 1, 2)), ("a", "b")))


def test_training_marks_the_restored_epoch():
    history = full_report().history
    assert "restored: epoch 13" in json.dumps(charts.training(history, "loss"))
    lost = tuple({**row, "restored": 0.0} for row in history)
    assert "restored" not in json.dumps(charts.training(lost, "loss"))


def test_the_last_epoch_is_not_called_restored():
    """The model has its weights without that."""
    history = full_report().history
    assert "Restored" in render(full_report())
    last = tuple({**row, "restored": float(row is history[-1])} for row in history)
    assert "restored" not in json.dumps(charts.training(last, "loss"))
    page = said(Reader(render(replace(full_report(), history=last))))
    assert "restored" not in page.lower()
    assert f"the model has the weights of epoch {len(history)}" in page


def test_a_single_epoch_can_be_drawn():
    spec = charts.training(full_report().history[:1], "accuracy")
    assert vl_convert.vegalite_to_svg(spec)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (formats.number(0.84213), "0.8421"),
        (formats.number(math.nan), "\N{EN DASH}"),
        (formats.percent(0.12345), "12.3 %"),
        (formats.percent(0.99999), "> 99.9 %"),
        (formats.percent(1.0), "100.0 %"),
        (formats.percent(0.00001), "< 0.1 %"),
        (formats.change(-0.01), "\N{MINUS SIGN}0.0100"),
        (formats.change(0.01), "+0.0100"),
        (formats.change(-0.000001), "0.0000"),
        (formats.seconds(4.25), "4.2 s"),
        (formats.seconds(59.96), "1 min 00 s"),
        (formats.seconds(61), "1 min 01 s"),
        (formats.seconds(3720), "1 h 02 min"),
        (formats.amount(1234.0), "1,234"),
        (formats.amount(0.00096), "0.00096"),
        (formats.amount(12.5), "12.5"),
        (formats.amount(None), "\N{EN DASH}"),
        (formats.amount(math.inf), "\N{EN DASH}"),
        (formats.spread(Spread(1, 2.5, 4000)), "1 · 2 · 4,000"),
        (formats.spread(Spread(8, 8.0, 8)), "8"),
        (formats.spread((3, 1, 2)), "1 · 2 · 3"),
        (formats.spread(()), "\N{EN DASH}"),
        (formats.spread(None), "\N{EN DASH}"),
        (formats.title("top_5_accuracy"), "Top-5 accuracy"),
        (formats.title("example_count"), "Example count"),
    ],
)
def test_numbers_and_names_read_well(text, expected):
    assert text == expected


@pytest.mark.parametrize(
    ("clipped", "words"),
    [
        (0, "below 1e-7 counts as 1e-7. "),
        (1, "counts as 1e-7, here of 1 image. "),
        (1_234, "counts as 1e-7, here of 1,234 images. "),
    ],
)
def test_the_metrics_say_which_intervals_they_have_and_where_the_loss_is_clipped(clipped, words):
    text = said(Reader(render(replace(full_report(), clipped=clipped))))
    assert "s of a share of the images, a studentised bootstrap over the images of the loss" in text
    assert "MOVER of the balanced accuracy, a percentile bootstrap of the macro-F1." in text
    assert words in text
    assert "no finite probabilities" not in text


def test_images_without_an_answer_are_said_with_their_number():
    report = full_report()
    mistake = report.pictures[report.mistakes[0]]
    pictures = list(report.pictures)
    pictures[report.mistakes[0]] = replace(mistake, predicted=None, probability=math.nan)
    text = said(Reader(render(replace(report, unanswered=3, pictures=tuple(pictures)))))
    assert "For 3 images the model gave no finite probabilities: they count as wrong" in text
    assert "no class" in text


def test_classes_show_the_interval_of_their_recall():
    report = full_report()
    first = replace(report.classes[0], lower=0.81234, upper=0.98765)
    text = said(Reader(render(replace(report, classes=(first, *report.classes[1:])))))
    assert "0.8123 to 0.9877" in text
    assert "95 % interval: Wilson\N{RIGHT SINGLE QUOTATION MARK}s of the recall" in text


def test_a_loss_that_falls_is_better_and_an_accuracy_that_falls_is_worse():
    assert page._turn(-0.1, "loss") == "better"
    assert page._turn(-0.1, "accuracy") == "worse"
    assert page._turn(0.0, "accuracy") == ""


def test_a_page_is_made_without_any_framework():
    code = (
        "import sys, components.report.page;"
        "heavy = {'tensorflow', 'tfx', 'tensorflow_model_analysis', 'apache_beam'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
