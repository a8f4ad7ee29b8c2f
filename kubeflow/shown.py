"""What the KFP UI shows of a run: the Evaluator's numbers, the confusion matrix, the report.

>>> matrix = confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), ("daisy", "rose"))
>>> matrix["confusionMatrix"]["rows"]
[{'row': [1, 1]}, {'row': [0, 1]}]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from components.evaluator.gates import OVERALL
from components.evaluator.prediction_table import read_predictions
from components.evaluator.results import ACCURACY, read_metrics
from components.finite import finite
from components.report.content import BLESSED, REJECTED
from components.report.figures import confusion_cells, without_no_class
from pipeline.run.outcome import is_blessed, read_page

_CLASSES_SHOWN = 50
"""More make a matrix that nobody reads; the report has a view for them."""


def show_evaluation(
    outputs: Mapping[str, Any], class_names: Sequence[str], options: argparse.Namespace
) -> None:
    """Writes the verdict, and KFP's executor output with both artifacts' metadata.

    Args:
      outputs: of the run so far (`components.lineage.outputs.read_outputs`).
      class_names: names by class index.
      options: `verdict_to`, a file; `executor_input`, KFP's ExecutorInput as JSON.
    """
    evaluation = outputs["Evaluator.evaluation"].uri
    _write(options.verdict_to, BLESSED if is_blessed(outputs) else REJECTED)
    table = read_predictions(evaluation)
    metadata = {
        "metrics": _numbers(evaluation),
        "confusion": confusion(
            table["label"].to_numpy(), table["predicted"].to_numpy(), class_names
        ),
    }
    where = json.loads(options.executor_input)["outputs"]
    artifacts = {
        name: {"artifacts": [{**where["artifacts"][name]["artifacts"][0], "metadata": values}]}
        for name, values in metadata.items()
    }
    _write(where["outputFile"], json.dumps({"artifacts": artifacts}, allow_nan=False))


def _numbers(evaluation: str) -> dict[str, float]:
    """Overall metrics, the baseline's, and the number of images; what is no number is left out."""
    found: dict[str, float | None] = {}
    for prefix, baseline in (("", False), ("baseline_", True)):
        overall = read_metrics(evaluation, baseline=baseline).get(OVERALL, {})
        found |= {f"{prefix}{name}": each.value for name, each in overall.items()}
        if not baseline and ACCURACY in overall:
            found["images"] = overall[ACCURACY].count
    return {name: value for name, value in finite(found).items() if value is not None}


def confusion(labels: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """`system.ClassificationMetrics` as KFP's UI reads it, rows true and columns predicted.

    {} where there are too many classes to be drawn.
    """
    if len(names) > _CLASSES_SHOWN:
        return {}
    counts = [[0] * len(names) for _ in names]
    for true, guess, count in without_no_class(confusion_cells(labels, predicted)):
        counts[true][guess] = count
    return {
        "confusionMatrix": {
            "annotationSpecs": [{"displayName": name} for name in names],
            "rows": [{"row": row} for row in counts],
        }
    }


def show_page(outputs: Mapping[str, Any], options: argparse.Namespace) -> None:
    """Copies the report to where KFP takes a `system.HTML` from."""
    _write(options.page_to, read_page(outputs))


def _write(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")
