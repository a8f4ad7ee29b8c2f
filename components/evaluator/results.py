"""The Evaluator's findings, as plain numbers in files beside TFMA's own.

>>> import tempfile
>>> metrics = {OVERALL: {ACCURACY: Measured(0.9)}, (LABEL, "0"): {ACCURACY: Measured(1.0)}}
>>> with tempfile.TemporaryDirectory() as evaluation:
...     write_findings(Findings(metrics), evaluation)
...     summarise(read_metrics(evaluation), ("daisy", "rose"))
{'accuracy': 0.9, 'per_class': {'daisy': {'accuracy': 1.0}}}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from components.evaluator.gates import MEANS, OVERALL, Gate, Measured, Slice
from components.finite import read_json, write_json
from components.storage import as_path
from components.transform.features import LABEL

ACCURACY, LOSS, EXAMPLE_COUNT = "accuracy", "loss", "example_count"
"""Names of TFMA's metrics; those that end with ACCURACY are shares of images."""
BALANCED_ACCURACY, MACRO_F1 = MEANS
"""Means over the classes, of all images (`class_means`)."""

CANDIDATE, BASELINE = "candidate", "baseline"
_GATES, _METRICS = "gates.json", "metrics.json"

Metrics = dict[Slice, dict[str, Measured]]
"""Metric by name, by slice."""


@dataclass(frozen=True)
class Findings:
    """All that was measured on the evaluation split.

    Attributes:
      candidate: the metrics of the model.
      baseline: those of the baseline; {} where there is none.
      unanswered: images whose probabilities name no class.
      clipped: images whose loss is clipped.
    """

    candidate: Metrics
    baseline: Metrics = field(default_factory=dict)
    unanswered: int = 0
    clipped: int = 0


def write_findings(findings: Findings, evaluation: str) -> None:
    """Writes them beside TFMA's result; what could not be measured is null."""
    value = {
        CANDIDATE: _rows(findings.candidate),
        BASELINE: _rows(findings.baseline),
        "unanswered": findings.unanswered,
        "clipped": findings.clipped,
    }
    write_json(as_path(evaluation) / _METRICS, value)


def read_findings(evaluation: str) -> Findings:
    """All that was measured.

    Args:
      evaluation: folder of the ModelEvaluation artifact.
    """
    value = read_json(as_path(evaluation) / _METRICS)
    return Findings(
        candidate=_metrics(value[CANDIDATE]),
        baseline=_metrics(value[BASELINE]),
        unanswered=value["unanswered"],
        clipped=value["clipped"],
    )


def read_metrics(evaluation: str, baseline: bool = False) -> Metrics:
    """Every metric of every slice; {} where there is no baseline, or nothing was judged.

    Args:
      evaluation: folder of the ModelEvaluation artifact.
      baseline: the baseline's numbers and not the candidate's.
    """
    findings = read_findings(evaluation)
    return findings.baseline if baseline else findings.candidate


def _rows(metrics: Metrics) -> list[dict[str, Any]]:
    return [
        {
            "feature": feature,
            "value": value,
            "metrics": {name: asdict(each) for name, each in of_slice.items()},
        }
        for (feature, value), of_slice in sorted(metrics.items())
    ]


def _metrics(rows: Sequence[Mapping[str, Any]]) -> Metrics:
    return {
        (row["feature"], row["value"]): {
            name: Measured(**each) for name, each in row["metrics"].items()
        }
        for row in rows
    }


def accuracies(metrics: Metrics) -> dict[Slice, Measured]:
    """The accuracy of every slice that has images."""
    return {key: values[ACCURACY] for key, values in metrics.items() if ACCURACY in values}


def means_over_classes(metrics: Metrics) -> dict[str, Measured]:
    """Those of all images, by name; {} where nothing was judged."""
    overall = metrics.get(OVERALL, {})
    return {name: overall[name] for name in MEANS if name in overall}


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
    """Writes the gates beside the evaluation that they were applied to."""
    write_json(as_path(evaluation) / _GATES, [asdict(gate) for gate in gates])


def read_gates(evaluation: str) -> list[Gate]:
    """The gates as they were applied."""
    return [Gate(**gate) for gate in read_json(as_path(evaluation) / _GATES)]
