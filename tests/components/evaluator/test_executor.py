"""The Evaluator step on real records and a real SavedModel."""

import numpy as np
import pytest
import tensorflow as tf
from tfx.types.standard_artifacts import ModelBlessing, ModelEvaluation, TransformGraph

from components.evaluator.config import EvaluationConfig
from components.evaluator.executor import Executor
from components.evaluator.predictions import read_predictions
from components.evaluator.results import read_gates, read_metrics
from components.evaluator.settings import EvaluatorSettings
from tests.parity import BATCH, COUNT, NAMES, write_examples, write_model


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Models that are wrong on the first few images, by their number."""
    return {
        wrong: write_model(tmp_path_factory.mktemp("model"), wrong, broken=10 if wrong < 0 else 0)
        for wrong in (0, 4, 30, -1)
    }


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    return write_examples(tmp_path_factory.mktemp("examples"))


@pytest.fixture
def evaluate(tmp_path, examples, models):
    def run(wrong, baseline=None, **gates):
        evaluation, blessing = ModelEvaluation(), ModelBlessing()
        evaluation.uri, blessing.uri = str(tmp_path / "evaluation"), str(tmp_path / "blessing")
        inputs = {
            "examples": [examples],
            "model": [models[wrong]],
            "transform_graph": [TransformGraph()],
        }
        if baseline is not None:
            inputs["baseline_model"] = [models[baseline]]
        config = EvaluationConfig.model_validate(
            {"batch_size": BATCH, "intervals": "none", **gates}
        )
        settings = EvaluatorSettings(evaluation=config, class_names=NAMES, evaluation_data="data")
        Executor().Do(
            inputs,
            {"evaluation": [evaluation], "blessing": [blessing]},
            {"settings": settings.model_dump_json()},
        )
        return evaluation.uri, blessing

    return run


def test_a_good_model_is_blessed_in_bounded_batches_with_its_predictions(evaluate):
    evaluation, blessing = evaluate(4, min_accuracy=0.95)
    assert blessing.get_int_custom_property("blessed") == 1
    assert blessing.get_int_custom_property("current_model_id") == 5
    assert blessing.get_float_custom_property("accuracy") == pytest.approx(0.96)
    assert tf.io.gfile.exists(f"{blessing.uri}/BLESSED")
    table = read_predictions(evaluation)
    assert len(table) == COUNT
    right = table["label"].to_numpy() == table["predicted"].to_numpy()
    assert right.mean() == pytest.approx(0.96)
    np.testing.assert_allclose(table["probability"].to_numpy(), 0.8, atol=1e-6)
    np.testing.assert_allclose(
        table["label_probability"].to_numpy(), np.where(right, 0.8, 0.1), atol=1e-6
    )
    assert set(table["label_rank"].to_numpy()[right]) == {0}


def test_a_bad_model_is_not_blessed_and_both_numbers_are_there(evaluate):
    evaluation, blessing = evaluate(30, baseline=4, min_accuracy=0.5, max_regression=0.1)
    assert blessing.get_int_custom_property("blessed") == 0
    assert blessing.get_int_custom_property("baseline_model_id") == 5
    assert tf.io.gfile.exists(f"{blessing.uri}/NOT_BLESSED")
    floor, change = read_gates(evaluation)
    assert floor.passed
    assert (change.passed, round(change.value, 6), round(change.baseline, 6)) == (False, 0.7, 0.96)
    assert not any(name.endswith("_diff") for name in read_metrics(evaluation)["", ""])
    before = read_metrics(evaluation, baseline=True)["", ""]["accuracy"].value
    assert before == pytest.approx(0.96)
    # The predictions are the candidate's.
    table = read_predictions(evaluation)
    wrong = table["label"].to_numpy() != table["predicted"].to_numpy()
    assert wrong.sum() == 30


def test_a_class_that_the_split_lacks_is_not_blessed(evaluate):
    evaluation, blessing = evaluate(0, min_class_accuracy=0.5)
    assert blessing.get_int_custom_property("blessed") == 0
    (failed,) = (gate for gate in read_gates(evaluation) if not gate.passed)
    assert "class 'never' could not be measured" in failed.sentence


def test_an_empty_split_is_not_blessed_and_says_so(evaluate):
    evaluation, blessing = evaluate(0, min_accuracy=0.5, split="train")
    assert blessing.get_int_custom_property("blessed") == 0
    (gate,) = read_gates(evaluation)
    assert "no such image in the train split" in gate.sentence
    assert len(read_predictions(evaluation)) == 0


@pytest.mark.parametrize("intervals", ["none", "jackknife"])
def test_a_model_that_gives_nan_is_not_blessed_and_its_numbers_can_be_read(evaluate, intervals):
    evaluation, blessing = evaluate(-1, min_accuracy=0.5, intervals=intervals)
    assert blessing.get_int_custom_property("blessed") == 0
    (failed,) = (gate for gate in read_gates(evaluation) if not gate.passed)
    assert "gave 10 images probabilities that are no finite numbers" in failed.sentence
    metrics = read_metrics(evaluation)["", ""]
    assert all(isinstance(metric.value, float) for metric in metrics.values())
    assert np.isnan(metrics["loss"].value)


@pytest.mark.parametrize("intervals", ["jackknife", "poisson_bootstrap"])
def test_intervals_hold_the_value(evaluate, intervals):
    evaluation, _ = evaluate(30, min_accuracy=0.5, confident=True, intervals=intervals)
    accuracy = read_metrics(evaluation)["", ""]["accuracy"]
    assert accuracy.value == pytest.approx(0.7)
    assert accuracy.lower < 0.7 < accuracy.upper
    # Of 100 images at 0.7, a normal interval is about 0.09 to each side.
    assert accuracy.upper - accuracy.lower == pytest.approx(0.18, abs=0.1)
    (gate,) = read_gates(evaluation)
    assert (gate.value, gate.point) == (accuracy.lower, accuracy.value)
