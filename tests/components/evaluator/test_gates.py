"""Gates as numbers and sentences."""

import math

import pytest

from components.evaluator.config import EvaluationConfig
from components.evaluator.gates import Gate, judge, number

FLOOR = EvaluationConfig(min_accuracy=0.9)
BOTH = EvaluationConfig(min_accuracy=0.9, max_regression=0.02)


def test_no_gate_at_all_is_refused():
    with pytest.raises(ValueError, match="no gate"):
        EvaluationConfig()


@pytest.mark.parametrize(
    ("accuracy", "passed"), [(0.9, True), (0.91, True), (0.8999, False), (math.nan, False)]
)
def test_the_floor(accuracy, passed):
    assert [gate.passed for gate in judge(FLOOR, accuracy, None)] == [passed]


@pytest.mark.parametrize(
    ("accuracy", "baseline", "passed"),
    [(0.95, 0.97, True), (0.9499, 0.97, False), (0.99, 0.97, True), (math.nan, 0.97, False)],
)
def test_the_regression(accuracy, baseline, passed):
    change = judge(BOTH, accuracy, baseline)[1]
    assert change.passed is passed
    assert change.baseline == baseline


def test_the_first_model_has_nothing_to_be_compared_with():
    assert [gate.key for gate in judge(BOTH, 0.95, None)] == ["evaluation.min_accuracy"]


def test_what_could_not_be_measured_never_passes():
    gates = judge(BOTH, None, 0.95)
    assert not any(gate.passed for gate in gates)
    assert (
        gates[0].sentence == "accuracy could not be measured, which evaluation.min_accuracy needs"
    )


def test_a_sentence_names_the_gate_and_both_numbers():
    assert Gate("evaluation.min_accuracy", 0.9926, 0.9999).sentence == (
        "accuracy 0.9926 is below evaluation.min_accuracy 0.9999"
    )
    assert Gate("evaluation.max_regression", 0.9, 0.95, 0.97).sentence == (
        "accuracy 0.9000 is below evaluation.max_regression 0.9500 "
        "(the last blessed model has 0.9700)"
    )


@pytest.mark.parametrize(
    ("value", "text"), [(0.95, "0.9500"), (0.9999, "0.9999"), (0.992593, "0.992593"), (1, "1.0000")]
)
def test_numbers_show_as_many_decimals_as_they_need(value, text):
    assert number(value) == text
