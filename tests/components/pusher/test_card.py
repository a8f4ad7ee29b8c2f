"""What a model's card says, and that no name can break the page that says it."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluator.gates import OVERALL, Measured
from components.pusher.card_text import code, escape, render_json, render_markdown
from tests.cards import EVIL, ONE_LINE, ROWS, Page, card, data, evidence, settings


@pytest.fixture
def page():
    return Page(render_markdown(card()))


def test_it_says_which_model_it_is():
    made = card()
    assert (made.model.name, made.model.version) == ("flowers", 1_795_552_377)
    assert (made.model.run_id, made.model.pushed) == ("2026-11-25", "2026-11-25T10:00:00+00:00")


def test_figures_are_overall_by_class_and_by_slice_with_their_intervals():
    made = json.loads(render_json(card()))
    measured = made["metrics"]
    assert measured["images"] == 80
    assert measured["overall"] == {
        "accuracy": {"value": 0.9875, "lower": 0.97, "upper": 1.0, "count": 80},
        "loss": {"value": 0.05, "lower": None, "upper": None, "count": 80},
    }
    assert {name: each["accuracy"]["count"] for name, each in measured["per_class"].items()} == {
        "rose": 30,
        EVIL: 50,
    }
    assert measured["slices"]["image_side = 8"]["accuracy"]["value"] == 0.5
    assert made["baseline_metrics"]["overall"]["accuracy"]["value"] == 0.95


@pytest.mark.parametrize(
    ("lower", "upper", "shown"),
    [
        (0.97, 1.0, "0.9700 to 1.0000"),
        (1.0, 1.0, "\N{EN DASH}"),
        (0.99999999, 1.0, "\N{EN DASH}"),
        (None, 1.0, "\N{EN DASH}"),
    ],
)
def test_an_interval_without_a_width_would_pass_for_certainty(lower, upper, shown):
    figures = {OVERALL: {"recall": Measured(1.0, lower, upper, 80)}}
    page = Page(render_markdown(card(left=evidence(metrics=figures))))
    assert page.cells[page.cells.index("95 % interval") + 4] == shown


def test_it_says_which_intervals_they_are_and_where_the_loss_is_clipped():
    text = render_markdown(card())
    assert "The intervals are Wilson's of a share of the" in text
    assert "a studentised bootstrap" in text
    assert "1e-07" not in text
    (limit,) = (each for each in card(left=evidence(clipped=3)).limits if "loss" in each)
    assert limit == (
        "In the loss a probability below 1e-07 counts as 1e-07, here of 3 of the 80 images: it "
        "may be worse."
    )


def test_without_a_baseline_there_are_no_figures_of_one():
    made = card(left=evidence(baseline={}))
    assert made.baseline_metrics is None
    assert json.loads(render_json(made))["baseline_metrics"] is None
    assert Page(render_markdown(made)).beside("accuracy")[:1] == ["0.9875 on 80 images"]


def test_every_gate_is_there_with_its_sentence_and_verdict(page):
    made = json.loads(render_json(card()))
    assert [(gate["key"], gate["passed"]) for gate in made["gates"]] == [
        ("evaluation.min_accuracy", True),
        ("evaluation.min_class_accuracy", True),
    ]
    sentence = "accuracy 0.9875 reaches evaluation.min_accuracy 0.9500"
    assert made["gates"][0]["sentence"] == sentence
    assert page.beside("evaluation.min_accuracy")[:2] == ["passed", sentence]


def test_the_history_is_told_in_short(page):
    made = card().training
    assert (made.epochs, made.restored_epoch, made.last) == (3, 2, ROWS[-1])
    assert page.beside("Weights of epoch")[0] == "2"
    assert page.beside("Last epoch's accuracy")[0] == "0.9"
    assert page.beside("Last epoch's val_loss")[0] == "\N{EN DASH}"


def test_hyperparameters_are_the_configurations_and_what_a_tuner_chose(page):
    assert page.beside("schedule.steps")[0] == "40"
    assert page.beside("schedule.boundaries")[0] == "[30]"
    assert page.beside("epochs")[0] == "null"
    assert "chosen by the Tuner" not in page.cells
    trained = {"mode": "full", "training": {"base_learning_rate": 0.01, "seed": 3}}
    tuned = Page(render_markdown(card(left=evidence(trained=trained))))
    assert tuned.beside("base_learning_rate")[0] == "0.01"
    assert tuned.beside("mode")[0] == "full"
    assert tuned.beside("Trained")[0] == "the whole network"
    made = card(left=evidence(trained=trained)).hyperparameters
    assert made.tuned == {"base_learning_rate": 0.01, "mode": "full"}


def test_examples_per_class_are_told_where_they_were_counted(page):
    assert "Examples per class" not in page.cells
    few = Page(render_markdown(card(data(examples_per_class=5))))
    assert few.beside("Examples per class")[0] == "5"


def test_where_it_comes_from_is_there(page):
    for label, value in (
        ("Its licence", "Apache-2.0"),
        ("Its SHA-256", "b" * 64),
        ("Fingerprint", "f" * 64),
        ("Split train", "train[:85%], 3,120 images"),
        ("Trained", "the head on the frozen backbone"),
        ("Commit", "d" * 40),
        ("Code of Trainer", "c" * 64),
        ("python", "3.10.1"),
    ):
        assert page.beside(label)[0] == value


def test_an_earlier_model_that_it_started_from_is_named(page):
    assert card().base_model is None
    assert "Started from the model in" not in page.cells
    left = evidence(trained={"base_model": "/runs/digits/artifacts/a|b"})
    assert card(left=left).base_model == "/runs/digits/artifacts/a|b"
    warm = Page(render_markdown(card(left=left)))
    assert warm.beside("Started from the model in")[0] == "/runs/digits/artifacts/a|b"


def test_outside_of_an_image_none_is_named():
    told = settings(code=settings().code.model_copy(update={"image": "", "commit": ""}))
    assert not {"Image", "Commit"} & set(Page(render_markdown(card(told))).cells)


def test_a_licence_that_is_not_given_is_not_known():
    told = settings(backbone=settings().backbone.model_copy(update={"licence": ""}))
    assert Page(render_markdown(card(told))).beside("Its licence")[0] == "not known"


def limits(*given):
    return " ".join(card(*given).limits)


def test_limits_are_what_the_run_knows():
    said = limits()
    assert "only the 2 classes of tf_flowers/3.0.1" in said
    assert "trained on 3,120 images and evaluated on 80" in said
    assert "384 x 384 pixels" in said


def test_that_the_judged_split_chose_the_epoch_is_said_where_it_did():
    choice = "epoch 2 of 3, chosen by the accuracy on the eval split, which was used for evaluation"
    assert choice in limits()
    for rows in ((ROWS[1],), tuple({**row, "restored": 0} for row in ROWS)):
        assert "chosen by" not in limits(settings(), evidence(history=rows))
    last = evidence(trained={"plan": {"patience": None}})
    assert "chosen by" not in limits(settings(), last)
    # The epoch is chosen on the eval split, which says nothing about a test split.
    assert "chosen by" not in limits(settings(split="test"))


def test_a_model_that_was_judged_on_what_it_learned_from_says_so():
    said = limits(settings(split="train"))
    assert "evaluated on the images that it was trained on" in said
    assert "chosen by" not in said


def test_a_class_that_was_not_judged_is_counted_and_has_a_row():
    told = data(class_names=("rose", EVIL, "tulip"))
    assert "no image of 1 of its classes" in limits(told)
    assert "of its classes" not in limits()
    row = Page(render_markdown(card(told))).beside("tulip")
    assert row == ["0", *"\N{EN DASH}" * 3]


def test_no_name_becomes_markup(page):
    assert page.kinds.isdisjoint({"html_inline", "html_block", "link_open", "em_open", "image"})
    assert "strong_open" not in page.kinds
    assert page.beside(ONE_LINE) == ["50", "0.9800", "\N{EN DASH}", "0.7500"]
    assert page.beside("Backbone")[0] == "/data/a`b|c"
    assert page.headings == [
        "Model card: flowers, version 1795552377", "Intended use", "Limits", "How to call it",
        "Metrics", "Data", "Training", "Code",
    ]  # fmt: skip
    assert any(repr(EVIL)[1:-1] in cell for cell in page.cells)


@pytest.mark.parametrize("text", ["http://y", "www.g.org", "WWW.g.org", "h@i.org"])
def test_github_makes_no_link_of_it(text):
    """It does so beyond CommonMark, where it finds these unbroken."""
    assert text not in escape(text)


def test_words_stay_readable():
    sentence = "accuracy 0.9875 reaches evaluation.min_accuracy 0.9500 (tf_flowers/3.0.1)"
    assert escape(sentence) == sentence


def cell(markdown):
    page = Page(f"| | |\n|---|---|\n| x | {markdown} |\n")
    return page.cells[3], page.kinds - {"inline", "text", "text_special"}


PARTS = ("table", "thead", "tbody", "tr", "th", "td")
TABLE = {f"{part}_{end}" for part in PARTS for end in ("open", "close")}


@given(st.text())
def test_any_text_is_itself_in_a_cell(text):
    shown, kinds = cell(escape(text))
    assert shown.split() == _printable(text).split()
    assert kinds == TABLE


@given(st.text(alphabet="`|\\ a", min_size=1).filter(str.strip))
def test_any_code_is_itself_in_a_cell(text):
    shown, kinds = cell(code(text))
    assert shown.split() == text.split()
    assert kinds == {*TABLE, "code_inline"}


def _printable(text):
    """What a line of text can hold; Markdown has no way to say the rest."""
    return "".join(" " if ord(c) < 32 or 127 <= ord(c) <= 160 else c for c in text)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_json_has_no_number_that_json_lacks(value):
    figures = {OVERALL: {"accuracy": Measured(0.9, value, 1.0, 8), "loss": Measured(value)}}
    rows = ({**ROWS[0], "loss": value},)
    made = card(left=evidence(metrics=figures, history=rows, trained={"training": {"rate": value}}))
    read = json.loads(render_json(made), parse_constant=pytest.fail)
    assert read["metrics"]["overall"]["loss"]["value"] is None
    assert read["training"]["last"]["loss"] is None
    assert read["hyperparameters"]["tuned"]["rate"] is None
    page = Page(render_markdown(made))
    assert page.beside("loss")[0] == "\N{EN DASH} on 8 images"
    assert not {"nan", "inf", "-inf", "NaN"} & set(page.cells)


def test_the_two_say_the_same():
    changed = replace(card(), split="other")
    assert json.loads(render_json(changed))["split"] == "other"
    assert "On the other split" in render_markdown(changed)
