"""What TFMA found, as plain numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import tensorflow_model_analysis as tfma

from components.evaluator.eval_config import ACCURACY, LOSS
from components.evaluator.gates import OVERALL, Gate, Measured, Slice
from components.storage import as_path
from components.transform.features import LABEL

CANDIDATE, BASELINE = "candidate", "baseline"
_GATES = "gates.json"

Metrics = dict[Slice, dict[str, Measured]]
"""Metric by name, by slice."""


def read_metrics(evaluation: str, baseline: bool = False) -> Metrics:
    """Every metric of every slice; {} where there is no baseline, or nothing was judged.

    Args:
      evaluation: folder of the ModelEvaluation artifact.
      baseline: the baseline's numbers and not the candidate's.
    """
    config = tfma.load_eval_result(evaluation).config
    compared = any(spec.is_baseline for spec in config.model_specs)
    if baseline and not compared:
        return {}
    name = (BASELINE if baseline else CANDIDATE) if compared else None
    result = tfma.load_eval_result(evaluation, model_name=name)
    return {
        _slice(key): _measured(values)
        for key, values in result.get_metrics_for_all_slices().items()
    }


def _slice(key: tuple[Any, ...]) -> Slice:
    if not key:
        return OVERALL
    feature, value = key[0]
    return str(feature), value.decode("utf-8", "replace") if isinstance(value, bytes) else str(
        value
    )


def _measured(values: dict[str, Any]) -> dict[str, Measured]:
    count = int(values.get("example_count", {}).get("doubleValue", 0))
    found = {}
    for name, value in values.items():
        # Differences to the baseline are ours to make: TFMA's would pass for metrics of the model.
        if name.endswith("_diff"):
            continue
        if "boundedValue" in value:
            # Not all are numbers: NaN comes as text.
            value_, lower, upper = (
                None if (bound := value["boundedValue"].get(key)) is None else float(bound)
                for key in ("value", "lowerBound", "upperBound")
            )
            found[name] = Measured(value_, *_in_range(name, lower, upper), count)
        elif "doubleValue" in value:
            found[name] = Measured(float(value["doubleValue"]), count=count)
    return found


def _in_range(
    name: str, lower: float | None, upper: float | None
) -> tuple[float | None, float | None]:
    """TFMA's intervals are symmetric, and so leave the range of what they are about."""
    if lower is not None and name.endswith((ACCURACY, LOSS)):
        lower = max(lower, 0.0)
    if upper is not None and name.endswith(ACCURACY):
        upper = min(upper, 1.0)
    return lower, upper


def accuracies(metrics: Metrics) -> dict[Slice, Measured]:
    """The accuracy of every slice that has images."""
    return {key: values[ACCURACY] for key, values in metrics.items() if ACCURACY in values}


def summarise(metrics: Mapping[Slice, dict[str, Measured]], class_names: Sequence[str]) -> Any:
    """Overall numbers by name and `per_class` by class name, for run_summary.json."""
    if not metrics:
        return {}
    overall = {name: each.value for name, each in metrics.get(OVERALL, {}).items()}
    per_class = {
        name: {metric: each.value for metric, each in metrics[LABEL, str(index)].items()}
        for index, name in enumerate(class_names)
        if (LABEL, str(index)) in metrics
    }
    return {**overall, "per_class": per_class}


def write_gates(gates: Sequence[Gate], evaluation: str) -> None:
    """Keeps the gates with the evaluation that they were applied to."""
    text = json.dumps([asdict(gate) for gate in gates], indent=1)
    (as_path(evaluation) / _GATES).write_text(text, encoding="utf-8")


def read_gates(evaluation: str) -> list[Gate]:
    """The gates as they were applied."""
    text = (as_path(evaluation) / _GATES).read_text(encoding="utf-8")
    return [Gate(**gate) for gate in json.loads(text)]
