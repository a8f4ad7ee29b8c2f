"""What each check says, and when it stops a run."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.commands import bit_tfx
from components.data_gate.checks import (
    Anomaly,
    Check,
    Compared,
    anomalies,
    imbalance,
    label_shift,
    named,
    read_checks,
    read_class_counts,
    refusal,
    rejects,
    write_checks,
)
from components.example_gen.counts import SplitCounts

NAMES = ("ant", "bee", "cow")


def counts(*numbers):
    return np.array(numbers, np.int64)


def test_no_reject_passes_a_limit_of_zero():
    (check,) = rejects({"train": SplitCounts(90, 90), "eval": SplitCounts(10, 10)}, 0.0, "/q")
    assert check.passed
    assert check.sentence == "none of the 100 images read was set aside"


def test_rejects_are_told_by_split_and_reason_with_the_place_and_the_tool():
    found = {
        "train": SplitCounts(9_000, 8_100, {"empty": 400, "truncated": 500}),
        "eval": SplitCounts(1_000, 900, {"truncated": 100}),
    }
    (check,) = rejects(found, 0.01, "/runs/x y/artifacts/ImageExampleGen/quarantine/7")
    assert check.refuses
    assert (check.value, check.limit) == (0.1, 0.01)
    assert check.sentence == (
        "1,000 of the 10,000 images read (10 %) were set aside, and data_gate.max_reject_fraction "
        "allows 1 %: train: 400 empty, 500 truncated; eval: 100 truncated. They are in "
        "/runs/x y/artifacts/ImageExampleGen/quarantine/7; `"
        + bit_tfx("quarantine", "--output", "/runs/x y")
        + "` shows them"
    )
    (check,) = rejects(found, 0.1, "/q")
    assert check.passed


def test_one_reject_of_a_small_split_is_a_small_share_of_all():
    found = {"train": SplitCounts(990, 990), "eval": SplitCounts(10, 9, {"empty": 1})}
    (check,) = rejects(found, 0.001, "/q")
    assert check.passed


def test_a_split_of_which_nothing_is_left_stops_whatever_the_limit():
    found = {"train": SplitCounts(990, 990), "eval": SplitCounts(10, 0, {"empty": 10})}
    whole, empty = rejects(found, 1.0, "/q")
    assert whole.passed
    assert empty.refuses
    assert empty.sentence == "no image of the eval split is left of 10 read"


HIGH = Anomaly("train", "label", "Out of range", "Value above maximum: 12 > 9. ")


@pytest.mark.parametrize(("action", "stops"), [("stop", True), ("report", False)])
def test_an_anomaly_is_told_in_tfdvs_words(action, stops):
    (check,) = anomalies([HIGH], ["train", "eval"], action)
    assert check.refuses == stops
    assert not check.passed
    assert check.sentence == (
        "train split, label: Out of range: Value above maximum: 12 > 9. "
        f"(data_gate.anomalies: {action})"
    )


def test_what_tfdv_takes_lightly_stops_no_run():
    (check,) = anomalies([HIGH._replace(warning=True)], ["train"], "stop")
    assert not check.passed
    assert not check.refuses


def test_an_anomaly_of_a_whole_split_names_no_feature_and_a_note_explains():
    (check,) = anomalies([HIGH._replace(feature="", note="9: the last")], ["train"], "stop")
    assert check.subject == "train split"
    assert "> 9. (9: the last) (data_gate" in check.sentence


def test_no_anomaly_is_a_check_that_passed():
    (check,) = anomalies([], ["train", "eval"], "stop")
    assert check.passed
    assert check.sentence == "TFDV finds no anomaly in train, eval"


def test_of_many_names_a_few_are_told():
    assert named([f"c{i}" for i in range(1_234)]).endswith("'c9' and 1,224 more")
    assert named(["a"]) == "'a'"


def test_imbalance_is_between_classes_that_have_images():
    (check,) = imbalance(counts(100, 0, 4), NAMES, 10)
    assert check.refuses
    assert check.value == 25
    assert check.sentence == (
        "the largest class of the train split, 'ant', has 100 images and the smallest, 'cow', 4: "
        "25 to one; data_gate.max_imbalance allows 10"
    )
    (check,) = imbalance(counts(100, 0, 4), NAMES, 25)
    assert check.passed


def test_imbalance_without_a_limit_is_told_and_passes():
    (check,) = imbalance(counts(100, 1, 4), NAMES, None)
    assert check.passed
    assert not check.stops
    assert "100 to one" in check.sentence
    assert list(imbalance(counts(0, 0, 0), NAMES, 2)) == []


def shift(here, there, limit):
    other = Compared("data_gate.max_label_skew", "eval split", there)
    return list(label_shift(here, other, NAMES, limit))


def test_a_shift_names_the_class_that_moved_most():
    (check,) = shift(counts(60, 20, 20), counts(11, 3, 6), 0.05)
    assert check.refuses
    assert check.value == pytest.approx(0.1)
    assert check.sentence == (
        "class 'cow' is 20 % of the train split and 30 % of the eval split: 0.1 apart, and "
        "data_gate.max_label_skew allows 0.05"
    )


@given(st.lists(st.integers(1, 500), min_size=3, max_size=3), st.integers(1, 100))
def test_the_same_shares_are_no_shift_whatever_the_sizes(numbers, times):
    (check,) = shift(counts(*numbers), counts(*numbers) * times, 0.0)
    assert check.passed


def test_a_shift_of_just_the_limit_passes():
    (check,) = shift(counts(3, 7, 0), counts(2, 8, 0), 0.1)
    assert check.passed


@pytest.mark.parametrize("there", [None, counts(0, 0, 0)])
def test_with_nothing_to_compare_there_is_no_shift(there):
    (check,) = shift(counts(1, 2, 3), there, 0.1)
    assert check.passed
    assert check.value is None
    assert check.sentence.startswith("there is no eval split to compare")


def test_without_a_limit_the_distance_is_only_reported():
    (found,) = shift(counts(1, 2, 3), counts(3, 2, 1), None)
    assert found.value == pytest.approx(1 / 3)
    assert (found.passed, found.stops, found.refuses) == (True, False, False)
    assert "is not set" in found.sentence


def check(passed, stops, sentence):
    return Check("data_gate.x", "all", passed, stops, None, None, sentence)


def test_the_refusal_tells_every_check_that_stops_and_no_other():
    made = [check(False, True, "a"), check(False, False, "b"), check(True, True, "c")]
    made.append(check(False, True, "d"))
    assert refusal(made) == "The data gate stopped the run before training:\n  a.\n  d."
    assert refusal(made[1:3]) == ""


def test_checks_are_read_back_as_they_were_made(tmp_path):
    made = [*rejects({"train": SplitCounts(3, 2, {"empty": 1})}, 0.5, "/q")]
    made += imbalance(counts(4, 2, 1), NAMES, None)
    write_checks(made, {"train": {"ant": 4, "bee": 2, "cow": 1}}, str(tmp_path / "checks"))
    assert read_checks(str(tmp_path / "checks")) == made
    read = read_class_counts(str(tmp_path / "checks"), "train", ("cow", "ant", "dog"))
    assert read.tolist() == [1, 4, 0]
