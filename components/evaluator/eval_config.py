"""The TFMA EvalConfig made from the `evaluation` section.

>>> config = make_eval_config(EvaluationConfig(min_accuracy=0.9), num_classes=3)
>>> [json.loads(metric.config)["name"] for metric in config.metrics_specs[0].metrics]
['example_count', 'accuracy', 'loss', 'top_2_accuracy', 'confusion_matrix']
"""

from __future__ import annotations

import json

# Not from tfma itself: what TFMA 0.52 exports there depends on what was imported before.
from tensorflow_model_analysis.proto.config_pb2 import (
    EvalConfig,
    MetricConfig,
    MetricDirection,
    MetricsSpec,
    MetricThreshold,
    ModelSpec,
    PerSliceMetricThreshold,
    SlicingSpec,
)

from components.evaluator.config import EvaluationConfig
from components.evaluator.metrics import CrossEntropy, TopK
from components.evaluator.results import ACCURACY, EXAMPLE_COUNT, LOSS
from components.transform.features import LABEL


def make_eval_config(config: EvaluationConfig, num_classes: int) -> EvalConfig:
    """Metrics overall, by class and by slice.

    The gates on the overall accuracy are thresholds too, so that TFMA's own validation result is
    there for its tools; the verdict is `components.evaluator.gates`'s, which knows all of them.

    Args:
      config: the gates and k.
      num_classes: classes of the data set.
    """
    overall = SlicingSpec()
    metrics = [
        _metric("ExampleCount", EXAMPLE_COUNT),
        _metric(TopK, ACCURACY, thresholds=_thresholds(config, overall), k=1),
        _metric(CrossEntropy, LOSS),
    ]
    k = min(config.top_k, num_classes - 1)
    if k > 1:
        metrics.append(_metric(TopK, f"top_{k}_{ACCURACY}", k=k))
    metrics.append(_metric("MultiClassConfusionMatrixPlot", "confusion_matrix"))
    features = dict.fromkeys(gate.feature for gate in config.slices)
    return EvalConfig(
        model_specs=[
            ModelSpec(
                model_type="tf_generic",
                signature_name="serving_default",
                label_key=LABEL,
                prediction_key="probabilities",
            )
        ],
        slicing_specs=[overall, *(SlicingSpec(feature_keys=[key]) for key in (LABEL, *features))],
        metrics_specs=[MetricsSpec(metrics=metrics)],
    )


def _metric(
    kind: str | type,
    name: str,
    thresholds: list[PerSliceMetricThreshold] | None = None,
    **options: float,
) -> MetricConfig:
    """A metric of TFMA by its name, or one of ours."""
    return MetricConfig(
        class_name=kind if isinstance(kind, str) else kind.__name__,
        module="" if isinstance(kind, str) else kind.__module__,
        config=json.dumps({"name": name, **options}),
        per_slice_thresholds=thresholds or [],
    )


def _thresholds(config: EvaluationConfig, overall: SlicingSpec) -> list[PerSliceMetricThreshold]:
    """Per slice, because MetricConfig.threshold would hold for every class too."""
    threshold = MetricThreshold()
    if config.min_accuracy is not None:
        threshold.value_threshold.lower_bound.value = config.min_accuracy
    if config.max_regression is not None:
        threshold.change_threshold.direction = MetricDirection.HIGHER_IS_BETTER
        threshold.change_threshold.absolute.value = -config.max_regression
    if not threshold.ListFields():
        return []
    return [PerSliceMetricThreshold(slicing_specs=[overall], threshold=threshold)]
