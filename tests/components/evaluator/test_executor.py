"""The Evaluator step on real records and a real SavedModel."""

import json

import numpy as np
import pytest
import tensorflow as tf
from tfx.types.standard_artifacts import (
    Examples,
    Model,
    ModelBlessing,
    ModelEvaluation,
    TransformGraph,
)

from components.evaluator.config import EvaluationConfig
from components.evaluator.executor import Executor
from components.evaluator.predictions import read_predictions
from components.evaluator.results import read_gates, read_metrics
from components.evaluator.settings import EvaluatorSettings

BATCH = 16
COUNT = 100
NAMES = ("even", "odd", "never")


class Parity(tf.Module):
    """Knows the label by the image's one byte; refuses a batch that is too large."""

    def __init__(self, wrong, broken=0):
        super().__init__()
        self._wrong = wrong
        self._broken = broken

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(self, examples):
        tf.debugging.assert_less_equal(tf.size(examples), BATCH, "the batch is too large")
        spec = {"image": tf.io.FixedLenFeature([], tf.string)}
        image = tf.io.parse_example(examples, spec)["image"]
        number = tf.cast(tf.io.decode_raw(image, tf.uint8)[:, 0], tf.int32)
        index = tf.where(number < self._wrong, 1 - number % 2, number % 2)
        probabilities = tf.one_hot(index, 3) * 0.7 + 0.1
        broken = (number < self._broken)[:, tf.newaxis]
        probabilities = tf.where(broken, float("nan"), probabilities)
        return {"probabilities": probabilities, "class_index": index}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Models that are wrong on the first few images, by their number."""
    found = {}
    for wrong in (0, 4, 30, -1):
        artifact = Model()
        artifact.uri = str(tmp_path_factory.mktemp("model"))
        artifact.id = wrong + 1
        module = Parity(wrong, broken=10 if wrong < 0 else 0)
        tf.saved_model.save(
            module, f"{artifact.uri}/Format-Serving", signatures={"serving_default": module.serve}
        )
        found[wrong] = artifact
    return found


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    artifact = Examples()
    artifact.uri = str(tmp_path_factory.mktemp("examples"))
    artifact.split_names = json.dumps(["train", "eval", "empty"])
    artifact.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    artifact.set_string_custom_property("file_format", "tfrecords_gzip")
    for split, count in (("eval", COUNT), ("train", 0)):
        tf.io.gfile.makedirs(f"{artifact.uri}/Split-{split}")
        path = f"{artifact.uri}/Split-{split}/data-00000-of-00001.gz"
        with tf.io.TFRecordWriter(path, "GZIP") as writer:
            for number in range(count):
                features = {
                    "image": tf.train.Feature(
                        bytes_list=tf.train.BytesList(value=[bytes([number])])
                    ),
                    "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[number % 2])),
                }
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())
    return artifact


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
