"""TFMA's metrics, with intervals from the predictions.

The Evaluator calls it when TFMA and the writer of predictions are done:

    from components.evaluator.measure import measure
    from components.evaluator.prediction_table import read_predictions

    findings = measure(evaluation, read_predictions(evaluation))
    findings.candidate["", ""]["accuracy"].lower
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow_model_analysis as tfma
from numpy.typing import NDArray

from components.evaluator import intervals, ranking
from components.evaluator.class_means import balanced_accuracy, class_means
from components.evaluator.gates import OVERALL, Measured, Slice
from components.evaluator.prediction_table import rows_by_slice
from components.evaluator.predictions import slice_of
from components.evaluator.results import (
    ACCURACY,
    BALANCED_ACCURACY,
    BASELINE,
    CANDIDATE,
    EXAMPLE_COUNT,
    LOSS,
    Findings,
    Metrics,
)
from components.transform.features import LABEL, NO_CLASS

_HIGHEST_LOSS = -math.log(ranking.LEAST_PROBABILITY)
_DECIMALS = 12
"""Sums in another order differ only after these: Beam gives the images in any order."""


def measure(evaluation: str, table: Any) -> Findings:
    """The metrics of both models with their intervals.

    The loss of the baseline has none, and it has no macro-F1: its predictions are not stored.

    Args:
      evaluation: folder of the ModelEvaluation artifact, with TFMA's result.
      table: `components.evaluator.predictions.read_predictions` of it.

    Raises:
      RuntimeError: TFMA judged another number of images than were written.
    """
    config = tfma.load_eval_result(evaluation).config
    compared = any(spec.is_baseline for spec in config.model_specs)
    candidate = _read(evaluation, CANDIDATE if compared else None)
    judged = max((each.count for each in candidate.get(OVERALL, {}).values()), default=0)
    if len(table) != judged:
        raise RuntimeError(f"{judged} images were judged, and {len(table)} predictions written")
    predicted = table["predicted"].to_numpy()
    own = table["label_probability"].to_numpy()
    candidate = _with_losses(_with_shares(candidate), table, ranking.losses(own, predicted))
    baseline = _with_shares(_read(evaluation, BASELINE)) if compared else {}
    return Findings(
        candidate=_with_overall(candidate, class_means(table["label"].to_numpy(), predicted)),
        baseline=_with_overall(baseline, _mean_of_recalls(baseline)),
        unanswered=int((predicted == NO_CLASS).sum()),
        clipped=ranking.num_clipped(own, predicted),
    )


def _read(evaluation: str, model_name: str | None) -> Metrics:
    """TFMA's metrics of every slice, without intervals."""
    result = tfma.load_eval_result(evaluation, model_name=model_name)
    return {
        slice_of(key): dict(_measured(values))
        for key, values in result.get_metrics_for_all_slices().items()
    }


def _measured(values: dict[str, Any]) -> Iterator[tuple[str, Measured]]:
    count = int(values.get(EXAMPLE_COUNT, {}).get("doubleValue", 0))
    for name, value in values.items():
        # We compute differences to the baseline: TFMA's would look like metrics of the model.
        if name.endswith("_diff") or "doubleValue" not in value:
            continue
        # NaN comes as text.
        number = round(float(value["doubleValue"]), _DECIMALS)
        yield name, Measured(number if math.isfinite(number) else None, count=count)


def _with_shares(metrics: Metrics) -> Metrics:
    """With Wilson's intervals of what is a share of the images."""
    return {
        key: {
            name: _with_share(each) if name.endswith(ACCURACY) else each
            for name, each in values.items()
        }
        for key, values in metrics.items()
    }


def _with_share(measured: Measured) -> Measured:
    if measured.value is None or not measured.count:
        return measured
    lower, upper = intervals.wilson(round(measured.value * measured.count), measured.count)
    return replace(measured, lower=lower, upper=upper)


def _with_overall(metrics: Metrics, more: dict[str, Measured]) -> Metrics:
    """With more metrics of all images."""
    return {**metrics, OVERALL: {**metrics[OVERALL], **more}} if more else metrics


def _mean_of_recalls(metrics: Metrics) -> dict[str, Measured]:
    """The balanced accuracy, from TFMA's accuracies of the classes; {} without any."""
    recalls = [values[ACCURACY] for key, values in metrics.items() if key[0] == LABEL]
    if not recalls or any(each.value is None for each in recalls):
        return {}
    trials = np.array([each.count for each in recalls])
    hits = np.rint(np.array([each.value for each in recalls]) * trials)
    return {BALANCED_ACCURACY: balanced_accuracy(hits, trials)}


def _with_losses(metrics: Metrics, table: Any, losses: NDArray[np.float64]) -> Metrics:
    """With the bootstrap's intervals of the mean loss of every slice."""
    by_count: dict[int, list[Slice]] = defaultdict(list)
    rows = {key: found for key, found in rows_by_slice(table) if LOSS in metrics.get(key, {})}
    for key, of_slice in rows.items():
        by_count[len(of_slice)].append(key)
    found = dict(metrics)
    # Slices of one size share their resamples.
    for keys in by_count.values():
        samples = np.stack([losses[rows[key]] for key in keys])
        lower, upper = intervals.of_means(samples, _HIGHEST_LOSS)
        for key, *ends in zip(keys, lower.tolist(), upper.tolist(), strict=True):
            if all(map(math.isfinite, ends)):
                loss = replace(metrics[key][LOSS], lower=ends[0], upper=ends[1])
                found[key] = {**metrics[key], LOSS: loss}
    return found
