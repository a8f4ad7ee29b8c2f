"""The EvalConfig that TFMA gets."""

import json

import pytest
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto.config_pb2 import SlicingSpec

from components.evaluator.config import EvaluationConfig
from components.evaluator.eval_config import make_eval_config


def metrics(config):
    return {json.loads(metric.config)["name"]: metric for metric in config.metrics_specs[0].metrics}


def test_both_gates_hold_for_the_overall_slice_alone():
    gates = EvaluationConfig(min_accuracy=0.9, max_regression=0.02)
    accuracy = metrics(make_eval_config(gates, 10))["accuracy"]
    assert not accuracy.HasField("threshold")
    (scoped,) = accuracy.per_slice_thresholds
    assert list(scoped.slicing_specs) == [SlicingSpec()]
    assert scoped.threshold.value_threshold.lower_bound.value == 0.9
    assert scoped.threshold.change_threshold.absolute.value == -0.02


def test_a_gate_that_is_not_asked_for_is_not_there():
    (floor,) = metrics(make_eval_config(EvaluationConfig(min_accuracy=0.5), 10))[
        "accuracy"
    ].per_slice_thresholds
    assert not floor.threshold.HasField("change_threshold")
    (change,) = metrics(make_eval_config(EvaluationConfig(max_regression=0.5), 10))[
        "accuracy"
    ].per_slice_thresholds
    assert not change.threshold.HasField("value_threshold")


def test_metrics_and_slices():
    config = make_eval_config(EvaluationConfig(min_accuracy=0.9), 10)
    assert set(metrics(config)) == {
        "example_count", "accuracy", "loss", "top_5_accuracy", "confusion_matrix",
    }  # fmt: skip
    assert [list(spec.feature_keys) for spec in config.slicing_specs] == [[], ["label"]]


def test_slices_by_other_features_are_cut_once_each():
    gates = EvaluationConfig.model_validate(
        {
            "slices": [
                {"feature": "image_side", "value": 8, "min_accuracy": 0.5},
                {"feature": "image_side", "min_accuracy": 0.4},
            ]
        }
    )
    config = make_eval_config(gates, 10)
    assert [list(spec.feature_keys) for spec in config.slicing_specs] == [
        [],
        ["label"],
        ["image_side"],
    ]
    assert not metrics(config)["accuracy"].per_slice_thresholds


def test_tfma_is_not_asked_for_intervals():
    config = make_eval_config(EvaluationConfig(min_accuracy=0.9, confident=True), 10)
    assert not config.HasField("options")


@pytest.mark.parametrize("method", ["jackknife", "poisson_bootstrap", "none"])
def test_the_key_that_went_is_refused_with_what_to_do(method):
    with pytest.raises(
        ValueError, match=r"`intervals` is no longer a key: .*leave evaluation\.int"
    ):
        EvaluationConfig.model_validate({"min_accuracy": 0.9, "intervals": method})


def test_top_k_fits_the_classes():
    assert "top_4_accuracy" in metrics(make_eval_config(EvaluationConfig(min_accuracy=0.9), 5))
    two = metrics(make_eval_config(EvaluationConfig(min_accuracy=0.9), 2))
    assert not any(name.startswith("top_") for name in two)


def test_tfma_accepts_it():
    config = make_eval_config(EvaluationConfig(min_accuracy=0.9), 10)
    assert tfma.utils.verify_eval_config(config) is None
    config.model_specs[0].label_keys["other"] = "label"
    with pytest.raises(ValueError, match="only one of label_key"):
        tfma.utils.verify_eval_config(config)
