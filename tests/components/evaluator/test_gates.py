"""Gates as numbers and sentences."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluator.config import EvaluationConfig
from components.evaluator.gates import OVERALL, Measured, compare, judge, number

FLOOR = EvaluationConfig(min_accuracy=0.9)
BOTH = EvaluationConfig(min_accuracy=0.9, max_regression=0.02)
NAMES = ("rose", "tulip")


def model(accuracy, count=100, **slices):
    found = {OVERALL: Measured(accuracy, count=count)}
    for name, value in slices.items():
        feature, _, text = name.rpartition("_")
        found[feature, text] = Measured(value, count=count)
    return found


def judged(config, *models):
    return judge(config, models[0], models[1] if len(models) > 1 else None, NAMES)


def keys(gates, passed):
    return [gate.key for gate in gates if gate.passed is passed]


@pytest.mark.parametrize("gates", [{}, {"split": "train"}, {"baseline": "best_blessed"}])
def test_no_gate_at_all_is_refused(gates):
    with pytest.raises(ValueError, match="no gate"):
        EvaluationConfig(**gates)


@pytest.mark.parametrize(
    "gate",
    [
        {"min_accuracy": 0.5},
        {"max_regression": 0.5},
        {"min_class_accuracy": 0.5},
        {"max_class_regression": {"rose": 0.5}},
        {"slices": [{"feature": "image_side", "min_accuracy": 0.5}]},
    ],
)
def test_any_gate_will_do(gate):
    assert EvaluationConfig.model_validate(gate)


def test_a_slice_without_a_gate_is_refused():
    with pytest.raises(ValueError, match=r"slices\.0\n.*no gate: give min_accuracy or"):
        EvaluationConfig.model_validate({"min_accuracy": 0.5, "slices": [{"feature": "x"}]})


@pytest.mark.parametrize(
    ("accuracy", "passed"), [(0.9, True), (0.91, True), (0.8999, False), (math.nan, False)]
)
def test_the_floor(accuracy, passed):
    assert [gate.passed for gate in judged(FLOOR, model(accuracy))] == [passed]


@pytest.mark.parametrize(
    ("accuracy", "baseline", "passed"),
    [(0.95, 0.97, True), (0.9499, 0.97, False), (0.99, 0.97, True), (math.nan, 0.97, False),
     (0.95, math.nan, False)],
)  # fmt: skip
def test_the_regression(accuracy, baseline, passed):
    change = judged(BOTH, model(accuracy), model(baseline))[1]
    assert change.passed is passed
    assert change.baseline == pytest.approx(baseline, nan_ok=True)


def test_the_first_model_has_nothing_to_be_compared_with():
    assert [gate.key for gate in judged(BOTH, model(0.95))] == ["evaluation.min_accuracy"]


def test_an_empty_split_never_passes_and_says_so():
    gates = judged(BOTH, {}, {})
    assert not any(gate.passed for gate in gates)
    assert [gate.sentence for gate in gates] == [
        "accuracy could not be measured, which evaluation.min_accuracy needs: "
        "no such image in the eval split",
        "accuracy could not be measured, which evaluation.max_regression needs: "
        "no such image in the eval split",
    ]


def test_not_a_number_says_so():
    (gate,) = judged(FLOOR, model(math.nan))
    assert gate.sentence == "accuracy could not be measured, which evaluation.min_accuracy needs"


def test_one_floor_for_every_class():
    config = EvaluationConfig(min_class_accuracy=0.8)
    gates = judged(config, model(0.9, label_0=0.9, label_1=0.7))
    assert [gate.passed for gate in gates] == [True, False]
    assert gates[1].sentence == (
        "accuracy of class 'tulip' 0.7000 is below evaluation.min_class_accuracy 0.8000"
    )


def test_a_floor_for_the_classes_that_are_named():
    config = EvaluationConfig(min_class_accuracy={"tulip": 0.8})
    (gate,) = judged(config, model(0.9, label_0=0.1, label_1=0.85))
    assert (gate.subject, gate.passed) == ("accuracy of class 'tulip'", True)


def test_a_class_that_fell_fails_though_all_together_did_not():
    config = EvaluationConfig(max_regression=0.05, max_class_regression=0.1)
    before = model(0.9, label_0=0.9, label_1=0.9)
    gates = judged(config, model(0.9, label_0=0.99, label_1=0.79), before)
    assert keys(gates, passed=False) == ["evaluation.max_class_regression"]
    assert "(the baseline has 0.9000)" in gates[-1].sentence


def test_a_class_without_images_fails():
    config = EvaluationConfig(min_class_accuracy=0.8)
    gates = judged(config, model(0.9, label_0=0.9))
    assert [gate.passed for gate in gates] == [True, False]
    assert "no such image" in gates[1].sentence


def slices(*gates):
    return EvaluationConfig.model_validate({"slices": list(gates)})


def test_a_slice_by_value():
    config = slices({"feature": "image_side", "value": 32, "min_accuracy": 0.5})
    (gate,) = judged(config, model(0.9, image_side_32=0.4, image_side_64=0.1))
    assert gate.sentence == (
        "accuracy where image_side is 32 0.4000 is below evaluation.slices.0.min_accuracy 0.5000"
    )


def test_a_slice_of_every_value():
    config = slices({"feature": "image_side", "min_accuracy": 0.5})
    gates = judged(config, model(0.9, image_side_32=0.6, image_side_64=0.1))
    assert [gate.passed for gate in gates] == [True, False]


@pytest.mark.parametrize("value", [None, 128])
def test_a_slice_without_images_fails(value):
    config = slices({"feature": "image_side", "value": value, "min_accuracy": 0.5})
    (gate,) = judged(config, model(0.9))
    assert not gate.passed
    assert "no such image" in gate.sentence


def test_a_slice_compared_with_the_baseline():
    config = slices({"feature": "x", "value": "a", "max_regression": 0.1})
    before = model(0.9, x_a=0.9)
    assert [gate.passed for gate in judged(config, model(0.9, x_a=0.79), before)] == [False]
    assert [gate.passed for gate in judged(config, model(0.9, x_a=0.81), before)] == [True]


def test_the_lower_end_of_the_interval_must_clear_the_floor():
    config = EvaluationConfig(min_accuracy=0.9, confident=True)
    (gate,) = judged(config, {OVERALL: Measured(0.92, 0.88, 0.96, 100)})
    assert not gate.passed
    assert gate.sentence == (
        "the lower end 0.8800 of the 95 % interval (Wilson) of accuracy 0.9200 is below "
        "evaluation.min_accuracy 0.9000"
    )
    (gate,) = judged(config, {OVERALL: Measured(0.95, 0.91, 0.99, 100)})
    assert gate.passed


@pytest.mark.parametrize("lower", [None, math.nan, math.inf, -math.inf])
def test_without_a_lower_end_a_confident_gate_does_not_pass(lower):
    config = EvaluationConfig(min_accuracy=0.9, confident=True)
    (gate,) = judged(config, {OVERALL: Measured(0.95, lower, 1.0, 100)})
    assert not gate.passed
    assert "could not be measured" in gate.sentence


@pytest.mark.parametrize("accuracy", [math.inf, -math.inf, math.nan, None])
@pytest.mark.parametrize("baseline", [0.9, math.inf, -math.inf, math.nan, None])
def test_what_is_no_finite_number_never_passes(accuracy, baseline):
    gates = judged(BOTH, model(accuracy), model(baseline))
    assert not any(gate.passed for gate in gates)
    assert all("could not be measured" in gate.sentence for gate in gates)


@pytest.mark.parametrize("limit", [0.9, 0.95, 0.7, 0.1])
def test_float32_noise_at_the_limit_passes(limit):
    (gate,) = judged(EvaluationConfig(min_accuracy=limit), model(float(np.float32(limit))))
    assert gate.passed
    assert f"{limit:.4f} reaches evaluation.min_accuracy {limit:.4f}" in gate.sentence


def test_a_fall_by_just_what_is_allowed_passes():
    config = EvaluationConfig(max_regression=0.1)
    assert [gate.passed for gate in judged(config, model(0.7), model(0.8))] == [True]


def test_probabilities_that_are_not_finite_never_pass():
    gates = judge(FLOOR, model(0.95), None, NAMES, not_finite=3)
    assert [gate.passed for gate in gates] == [True, False]
    assert "3 images" in gates[-1].sentence


def test_where_no_gate_applies_none_passes_and_it_says_so():
    (gate,) = judged(EvaluationConfig(max_regression=0.1), model(0.99))
    assert not gate.passed
    assert "nothing to compare with" in gate.sentence


def test_a_mapping_of_no_class_is_refused():
    with pytest.raises(ValueError, match="at least 1 item"):
        EvaluationConfig(min_class_accuracy={})


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_better_model_never_fails_what_a_worse_one_passed(low, high, limit):
    low, high = sorted((low, high))
    config = EvaluationConfig(min_accuracy=limit, max_regression=limit)
    for worse, better in zip(
        judged(config, model(low), model(0.9)), judged(config, model(high), model(0.9)), strict=True
    ):
        assert better.passed or not worse.passed


def test_a_sentence_names_the_gate_and_both_numbers():
    gate = compare("evaluation.max_regression", "accuracy", 0.9, 0.95, 0.97)
    assert gate.sentence == (
        "accuracy 0.9000 is below evaluation.max_regression 0.9500 (the baseline has 0.9700)"
    )


@pytest.mark.parametrize(
    ("value", "text"), [(0.95, "0.9500"), (0.9999, "0.9999"), (0.992593, "0.992593"), (1, "1.0000")]
)
def test_numbers_show_as_many_decimals_as_they_need(value, text):
    assert number(value) == text


@pytest.mark.parametrize(("right", "passes"), [(59, False), (60, False), (61, True), (100, True)])
def test_above_chance_is_above_naming_the_most_frequent_class(right, passes):
    """Of 100 images 60 are of one class."""
    config = EvaluationConfig(above_chance=True)
    counts = {("label", "0"): 60, ("label", "1"): 40}
    accuracies = {key: Measured(0.5, count=count) for key, count in counts.items()}
    accuracies[OVERALL] = Measured(right / 100, count=100)
    (gate,) = judge(config, accuracies, None, ("a", "b"))
    assert (gate.key, gate.passed, gate.limit) == ("evaluation.above_chance", passes, 0.61)


def test_above_chance_without_images_does_not_pass():
    (gate,) = judge(EvaluationConfig(above_chance=True), {}, None, ("a", "b"))
    assert not gate.passed
