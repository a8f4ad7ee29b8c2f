"""The judgement of a conversion, held against scikit-learn on made-up answers."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss

from components.errors import UserError
from components.evaluator.config import EvaluationConfig, SliceGate
from components.evaluator.gates import OVERALL
from components.export.formats import FORMATS
from components.export.judgement import Answers, evaluation_of_card, judge_answers

NAMES = ("a", "b", "c")


def answers(converted_noise=0.0, seed=3, count=200):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    logits = random.normal(size=(count, 3)) + 2 * np.eye(3)[labels]
    noisy = logits + converted_noise * random.normal(size=logits.shape)

    def softmax(values):
        powers = np.exp(values)
        return (powers / powers.sum(1, keepdims=True)).astype(np.float32)

    keys = [str(number) for number in range(count)]
    return Answers(keys, labels, softmax(logits), softmax(noisy), {})


def judged(found, of_images=None, **gates):
    evaluation = EvaluationConfig(**(gates or {"min_accuracy": 0.0}))
    return judge_answers(FORMATS["tflite-int8"], evaluation, found, of_images or {}, NAMES)


def test_the_figures_are_those_of_scikit_learn():
    found = answers(0.5)
    judgement = judged(found)
    for metrics, probabilities in (
        (judgement.served, found.served),
        (judgement.converted, found.converted),
    ):
        exact = probabilities.astype(np.float64)
        exact /= exact.sum(1, keepdims=True)
        overall = metrics[OVERALL]
        right = accuracy_score(found.labels, probabilities.argmax(1))
        assert overall["accuracy"].value == pytest.approx(right)
        assert overall["loss"].value == pytest.approx(log_loss(found.labels, exact), rel=1e-5)
        named = probabilities.argmax(1)
        balanced, macro = overall["balanced_accuracy"].value, overall["macro_f1"].value
        assert balanced == pytest.approx(balanced_accuracy_score(found.labels, named))
        assert macro == pytest.approx(f1_score(found.labels, named, average="macro"))
        assert overall["accuracy"].lower < overall["accuracy"].value < overall["accuracy"].upper
        for index in range(3):
            of_class = found.labels == index
            recall = (probabilities.argmax(1)[of_class] == index).mean()
            assert metrics["label", str(index)]["accuracy"].value == pytest.approx(recall)
    same = (found.served.argmax(1) == found.converted.argmax(1)).mean()
    assert judgement.agreement.same_class == pytest.approx(same)
    greatest = abs(found.served - found.converted).max()
    assert judgement.agreement.greatest_difference == pytest.approx(greatest)


def test_max_regression_bounds_what_a_conversion_loses():
    found = answers(0.2)
    judgement = judged(found)
    before, after = (m[OVERALL]["accuracy"].value for m in (judgement.served, judgement.converted))
    assert before > after
    assert judged(found, max_regression=before - after + 1e-6).rejected == []
    (sentence,) = judged(found, max_regression=before - after - 1e-4).rejected
    assert "is below evaluation.max_regression" in sentence
    assert f"(the baseline has {before:.4f}" in sentence


def test_floors_classes_and_slices_are_judged():
    found = answers(0.1)
    small = {key: [("image_side", "8")] for key in found.keys[:50]}
    gates = {
        "min_accuracy": 1.0,
        "min_class_accuracy": {"b": 1.0},
        "min_balanced_accuracy": 1.0,
        "min_macro_f1": 1.0,
        "slices": [SliceGate(feature="image_side", value=8, min_accuracy=1.0)],
    }
    sentences = judged(found, small, **gates).rejected
    assert [sentence.partition(" 0.")[0] for sentence in sentences] == [
        "accuracy",
        "balanced accuracy",
        "macro-F1",
        "accuracy of class 'b'",
        "accuracy where image_side is 8",
    ]
    right = (found.converted.argmax(1) == found.labels)[:50].mean()
    assert f" {right:.4f} " in sentences[4]


def test_an_image_without_an_answer_is_one_too_many():
    found = answers()
    found.converted[5] = 0.0
    sentences = judged(found).rejected
    assert sentences == ["the model gave 1 images probabilities that are no finite numbers"]


def card(*gates):
    return {"split": "eval", "gates": list(gates)}


def gate(key, subject, limit, baseline=None, point=None):
    return {"key": key, "subject": subject, "limit": limit, "baseline": baseline, "point": point}


def test_the_gates_of_a_card_are_those_of_its_configuration():
    config = EvaluationConfig(
        min_accuracy=0.9,
        max_regression=0.02,
        min_class_accuracy={"b": 0.8, "c": 0.7},
        max_class_regression={"b": 0.05},
        min_balanced_accuracy=0.85,
        min_macro_f1=0.75,
        confident=True,
    )
    found = evaluation_of_card(
        card(
            gate("evaluation.min_accuracy", "accuracy", 0.9, point=0.95),
            gate("evaluation.min_balanced_accuracy", "balanced accuracy", 0.85, point=0.9),
            gate("evaluation.min_macro_f1", "macro-F1", 0.75, point=0.9),
            gate("evaluation.max_regression", "accuracy", 0.93, baseline=0.95),
            gate("evaluation.min_class_accuracy", "accuracy of class 'b'", 0.8, point=0.9),
            gate("evaluation.min_class_accuracy", "accuracy of class 'c'", 0.7, point=0.9),
            gate("evaluation.max_class_regression", "accuracy of class 'b'", 0.9, baseline=0.95),
            gate("evaluation.slices.0.min_accuracy", "accuracy where image_side is 8", 0.5),
        ),
        NAMES,
    )
    assert found.max_regression == pytest.approx(config.max_regression)
    assert found.max_class_regression == pytest.approx({"b": 0.05})
    same = {"max_regression": 0.02, "max_class_regression": {"b": 0.05}}
    assert found.model_copy(update=same) == config


def test_a_card_without_such_a_gate_is_refused():
    of_slice = gate("evaluation.slices.0.min_accuracy", "accuracy where image_side is 8", 0.5)
    with pytest.raises(UserError, match="no gate on all images or on a class"):
        evaluation_of_card(card(of_slice), NAMES)


def test_a_card_keeps_the_gate_above_chance():
    found = evaluation_of_card(card(gate("evaluation.above_chance", "accuracy", 0.34)), NAMES)
    assert found == EvaluationConfig(above_chance=True)
