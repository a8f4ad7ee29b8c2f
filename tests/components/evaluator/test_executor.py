"""The Evaluator step on real records and a real SavedModel."""

import json
import math
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
import tensorflow as tf
from apache_beam.runners.portability.fn_api_runner import fn_runner
from scipy.stats import binomtest
from tfx.types.standard_artifacts import ModelBlessing, ModelEvaluation, TransformGraph

from components.evaluator.config import EvaluationConfig, EvaluatorSettings
from components.evaluator.executor import Executor
from components.evaluator.gates import Measured
from components.evaluator.prediction_table import read_predictions
from components.evaluator.results import read_gates, read_metrics
from components.evaluator.tfma_files import of_last_try
from components.storage import files_below
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
    def run(
        wrong, baseline=None, examples=examples, folder="evaluation", executor=Executor, **gates
    ):
        evaluation, blessing = ModelEvaluation(), ModelBlessing()
        evaluation.uri = str(tmp_path / folder)
        blessing.uri = str(tmp_path / f"blessing_of_{folder}")
        inputs = {
            "examples": [examples],
            "model": [models[wrong]],
            "transform_graph": [TransformGraph()],
        }
        if baseline is not None:
            inputs["baseline_model"] = [models[baseline]]
        config = EvaluationConfig.model_validate({"batch_size": BATCH, **gates})
        settings = EvaluatorSettings(evaluation=config, class_names=NAMES, evaluation_data="data")
        executor().Do(
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


def test_a_model_that_gives_nan_is_not_blessed_and_its_numbers_can_be_read(evaluate):
    evaluation, blessing = evaluate(-1, min_accuracy=0.5)
    assert blessing.get_int_custom_property("blessed") == 0
    (failed,) = (gate for gate in read_gates(evaluation) if not gate.passed)
    assert "gave 10 images probabilities that are no finite numbers" in failed.sentence
    metrics = read_metrics(evaluation)["", ""]
    # Of the ten images five are of class 0, which argmax takes NaN for.
    assert metrics["accuracy"].value == pytest.approx(0.9)
    assert metrics["top_2_accuracy"].value == pytest.approx(0.9)
    assert metrics["loss"] == Measured(None, count=COUNT)
    even = read_metrics(evaluation)["label", "0"]
    assert even["accuracy"].value == pytest.approx(0.9)
    for file in ("metrics.json", "gates.json"):
        text = Path(evaluation, file).read_text()
        assert json.loads(text, parse_constant=pytest.fail)
    table = read_predictions(evaluation)
    broken = table.filter(pc.equal(table["predicted"], -1))
    assert len(broken) == 10
    assert broken["label_rank"].to_pylist() == [3] * 10
    assert broken["top_classes"].to_pylist() == [[]] * 10


def test_intervals_are_wilsons_and_the_bootstraps_of_the_predictions(evaluate):
    evaluation, _ = evaluate(
        30, baseline=4, min_accuracy=0.5, confident=True,
        slices=[{"feature": "camera", "min_accuracy": 0.1}],
    )  # fmt: skip
    metrics, before = read_metrics(evaluation), read_metrics(evaluation, baseline=True)
    right = {"": 70, "label": 35}
    for key, values in metrics.items():
        accuracy = values["accuracy"]
        if key[0] in right:
            assert accuracy.value * accuracy.count == pytest.approx(right[key[0]])
        hits = round(accuracy.value * accuracy.count)
        expected = binomtest(hits, accuracy.count).proportion_ci(method="wilson")
        assert (accuracy.lower, accuracy.upper) == pytest.approx(tuple(expected), abs=1e-12)
        loss = values["loss"]
        assert 0 < loss.lower < loss.value < loss.upper
    assert {key[0] for key in metrics} == {"", "label", "camera"}
    assert metrics["camera", "left"]["accuracy"].count == 50
    expected = binomtest(96, 100).proportion_ci(method="wilson")
    accuracy = before["", ""]["accuracy"]
    assert (accuracy.lower, accuracy.upper) == pytest.approx(tuple(expected), abs=1e-12)
    gate = read_gates(evaluation)[0]
    accuracy = metrics["", ""]["accuracy"]
    assert (gate.value, gate.point) == (accuracy.lower, accuracy.value)
    # By hand: of the images of one camera, those of the table that are in its slice.
    table = read_predictions(evaluation).to_pylist()
    left = [row for row in table if {"feature": "camera", "value": "left"} in row["slices"]]
    assert len(left) == 50
    losses = [-math.log(row["label_probability"]) for row in left]
    assert metrics["camera", "left"]["loss"].value == pytest.approx(np.mean(losses), abs=1e-6)


def test_the_same_images_have_the_same_intervals_to_the_bit(evaluate, tmp_path, models):
    first, _ = evaluate(30, min_accuracy=0.5)
    once = Path(first, "metrics.json").read_text()
    backwards = write_examples(tmp_path / "backwards", order=reversed(range(COUNT)))
    second, _ = evaluate(30, min_accuracy=0.5, examples=backwards, folder="again")
    assert Path(second, "metrics.json").read_text() == once


class Retried(Executor):
    """The whole job is tried again after it has written all, as Flink does."""

    def _evaluate(self, settings, inputs, models, drafts):
        super()._evaluate(settings, inputs, models, drafts)
        temporary = Path(drafts.path("tfma"), "beam-temp-metrics-9f3e")
        temporary.mkdir()
        (temporary / "0a1b.metrics.tfrecord").write_bytes(b"half")
        super()._evaluate(settings, inputs, models, drafts)


def test_a_second_try_of_the_job_leaves_the_result_of_one(evaluate):
    once, _ = evaluate(30, min_accuracy=0.5, folder="once")
    twice, blessing = evaluate(30, min_accuracy=0.5, folder="twice", executor=Retried)
    assert files_below(Path(twice)) == files_below(Path(once))
    assert sorted(path.name for path in Path(twice).iterdir()) == sorted(
        path.name for path in Path(once).iterdir()
    )
    assert read_predictions(twice).equals(read_predictions(once))
    assert Path(twice, "metrics.json").read_text() == Path(once, "metrics.json").read_text()
    assert blessing.get_int_custom_property("blessed") == 1


def test_what_an_earlier_version_has_left_among_the_predictions_is_not_read(evaluate):
    evaluation, _ = evaluate(4, min_accuracy=0.5)
    table = read_predictions(evaluation)
    left = Path(evaluation, "predictions", "beam-temp-part-9f3e")
    left.mkdir()
    (left / "0a1b.part.parquet").write_bytes(b"half")
    assert read_predictions(evaluation).equals(table)


def test_tries_of_other_numbers_of_files_do_not_mix():
    first = {f"metrics-0000{n}-of-00003": 10.0 + n for n in range(3)}
    second = {f"metrics-0000{n}-of-00002": 20.0 + n for n in range(2)}
    assert of_last_try({**first, **second}) == sorted(second)
    second.popitem()
    assert of_last_try({**first, **second}) == sorted(first)
    first.popitem()
    with pytest.raises(RuntimeError, match="TFMA left metrics in part"):
        of_last_try({**first, **second})


def test_the_pipeline_stays_small(evaluate, monkeypatch):
    """With the jackknife there were 101 stages."""
    stages = []
    run_stages = fn_runner.FnApiRunner.run_stages

    def count(self, context, found):
        stages.append(len(found))
        return run_stages(self, context, found)

    monkeypatch.setattr(fn_runner.FnApiRunner, "run_stages", count)
    evaluate(0, min_accuracy=0.5)
    assert 10 < stages[-1] < 60
