"""The temperature against a grid, the error against a loop, and both in a served model."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from components.model_check.answers import RefusedError, check_answers
from components.signatures import signatures
from components.trainer.calibration import (
    calibrate,
    calibration_error,
    fit_temperature,
    reliability,
)
from components.trainer.model_run import read_hyperparameters
from components.trainer.train import train
from tests.components.trainer.jobs import CLASSES, make_job, png


def drawn(seed, count=600, classes=4, scale=3.0):
    """Logits of a network that is `scale` times too sure, and labels."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, count)
    logits = 2 * np.eye(classes)[labels] + generator.normal(0, 1, (count, classes))
    return scale * logits, labels


def loss(logits, labels, temperature):
    shifted = logits / temperature
    shifted = shifted - shifted.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -np.mean(logs[np.arange(len(labels)), labels])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scale", [0.3, 1.0, 6.0])
def test_the_temperature_is_the_best_of_a_fine_grid(seed, scale):
    logits, labels = drawn(seed, scale=scale)
    found = fit_temperature(logits, labels)
    grid = np.exp(np.linspace(np.log(0.06), np.log(19), 2_001))
    best = grid[np.argmin([loss(logits, labels, each) for each in grid])]
    assert found == pytest.approx(best, rel=4e-3)
    assert loss(logits, labels, found) <= loss(logits, labels, best) + 1e-9


@given(st.integers(0, 1_000), st.floats(0.5, 2.0))
@settings(max_examples=25, deadline=None)
def test_logits_of_another_scale_have_a_temperature_of_that_scale(seed, scale):
    logits, labels = drawn(seed, count=200, scale=1.0)
    once, scaled = fit_temperature(logits, labels), fit_temperature(scale * logits, labels)
    assert scaled == pytest.approx(scale * once, rel=1e-3)


def error_by_a_loop(probabilities, labels, bins=15):
    """Guo et al., equation 3, bin by bin."""
    total = 0.0
    for low in range(bins):
        rows = [
            (max(row), int(np.argmax(row)) == label)
            for row, label in zip(probabilities, labels, strict=True)
            if low / bins < max(row) <= (low + 1) / bins
        ]
        if rows:
            confidence = np.mean([each for each, _ in rows])
            accuracy = np.mean([right for _, right in rows])
            total += len(rows) / len(labels) * abs(accuracy - confidence)
    return total


@pytest.mark.parametrize("seed", range(5))
def test_the_calibration_error_is_that_of_the_paper(seed):
    logits, labels = drawn(seed)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wanted = error_by_a_loop(probabilities, labels)
    assert calibration_error(probabilities, labels) == pytest.approx(wanted, abs=1e-12)
    rows = reliability(probabilities, labels)
    right, sure = probabilities.argmax(axis=1) == labels, probabilities.max(axis=1)
    assert sum(row.count for row in rows) == len(labels)
    accuracy, confidence = calibration_curve(right, sure, n_bins=15)
    np.testing.assert_allclose([row.accuracy for row in rows], accuracy)
    np.testing.assert_allclose([row.confidence for row in rows], confidence)


def test_sure_and_right_is_no_error_and_sure_and_wrong_is_all():
    sure = np.eye(3)[[0, 1, 2]]
    assert calibration_error(sure, np.array([0, 1, 2])) == 0.0
    assert calibration_error(sure, np.array([1, 2, 0])) == 1.0


def test_it_is_measured_on_images_that_it_was_not_fitted_on():
    logits, labels = drawn(0, count=20_000)
    found = calibrate(logits, labels)
    assert found.images == 20_000
    assert found.temperature == pytest.approx(fit_temperature(logits, labels))
    even, odd = slice(0, None, 2), slice(1, None, 2)
    by_halves = [
        loss(logits[odd], labels[odd], fit_temperature(logits[even], labels[even])),
        loss(logits[even], labels[even], fit_temperature(logits[odd], labels[odd])),
    ]
    assert found.loss == pytest.approx(np.mean(by_halves))
    assert found.loss_before == pytest.approx(loss(logits, labels, 1.0))
    assert found.error < 0.02 < found.error_before


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_images_change_nothing_or_little(count):
    logits, labels = drawn(3, count=count)
    found = calibrate(logits, labels)
    assert np.isfinite(found.temperature)
    assert not found.loss > found.loss_before


def test_without_a_mistake_there_is_no_temperature():
    logits = 5.0 * np.eye(3)[[0, 1, 2] * 10]
    labels = np.array([0, 1, 2] * 10)
    assert fit_temperature(logits, labels) == 1.0
    found = calibrate(logits, labels)
    assert (found.temperature, found.images) == (1.0, 30)
    assert found.loss == found.loss_before == pytest.approx(loss(logits, labels, 1.0))
    assert found.error == found.error_before == pytest.approx(1 - np.exp(-found.loss))


THRESHOLD = 0.5


@pytest.fixture(scope="module")
def answers(digits_folder):
    """Of the same training: as it is, and calibrated with a threshold."""
    images = tf.constant([*(png(index) for index in range(100, 133)), b"no image"])
    found = {}
    for name, calibration, threshold in (
        ("as_it_is", "none", None),
        ("calibrated", "temperature", THRESHOLD),
    ):
        job = make_job(digits_folder, name, schedule={"steps": 12}, calibration=calibration)
        changed = job.settings.model_copy(update={"min_confidence": threshold})
        job = job.model_copy(update={"settings": changed})
        train(job)
        served = tf.saved_model.load(job.serving_model).signatures["predict_image"](images)
        found[name] = {key: value.numpy() for key, value in served.items()}
        found[f"{name} run"] = read_hyperparameters(job.model_run)
    return found


def test_the_served_model_divides_its_logits(answers):
    assert answers["as_it_is run"]["calibration"] is None
    temperature = answers["calibrated run"]["calibration"]["temperature"]
    assert temperature != 1.0
    before = answers["as_it_is"]["probabilities"][:-1].astype(np.float64)
    divided = before ** (1 / temperature)
    wanted = divided / divided.sum(axis=1, keepdims=True)
    assert answers["calibrated"]["probabilities"][:-1] == pytest.approx(wanted, abs=1e-5)


def test_below_the_threshold_no_class_is_named(answers):
    found = answers["calibrated"]
    first = found["probabilities"][:-1].max(axis=1)
    sure = first >= THRESHOLD
    assert 0 < sure.sum() < len(sure)
    index = found["probabilities"][:-1].argmax(axis=1)
    assert found["class_index"].tolist() == [*np.where(sure, index, -1).tolist(), -1]
    names = [CLASSES[each] if named else "" for each, named in zip(index, sure, strict=True)]
    assert [each.decode() for each in found["class_name"]] == [*names, ""]
    # An image that is not named has an answer; one that cannot be decoded has none.
    assert found["valid"].tolist() == [True] * len(sure) + [False]


def test_model_check_knows_the_threshold(answers):
    (signature,) = (each for each in signatures(10, 24) if each.name == "predict_image")
    rows = {key: value[:-1] for key, value in answers["calibrated"].items()}
    check_answers(signature, rows, 33, CLASSES, THRESHOLD)
    with pytest.raises(RefusedError, match=r"is not the most probable class$"):
        check_answers(signature, rows, 33, CLASSES)
    with pytest.raises(RefusedError, match=r"is not the most probable class, or -1 below 0\.9"):
        check_answers(signature, rows, 33, CLASSES, 0.9)


def test_a_threshold_keeps_the_checkpoints_of_a_training(digits_folder):
    job = make_job(digits_folder, "same")
    other = job.settings.model_copy(update={"min_confidence": 0.5})
    assert job.model_copy(update={"settings": other}).own_checkpoints == job.own_checkpoints
