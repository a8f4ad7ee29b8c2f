"""Figures of a classifier from its predictions, as scikit-learn defines them."""

from __future__ import annotations

import numpy as np

from components.report.content import CalibrationBin, ClassRow

CALIBRATION_BINS = 10


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts int64 [C, C]: rows are true classes, columns predicted ones.

    Args:
      labels: int64 [N].
      predicted: int64 [N].
      num_classes: C.
    """
    flat = np.bincount(labels * num_classes + predicted, minlength=num_classes**2)
    return flat.reshape(num_classes, num_classes)


def class_rows(
    matrix: np.ndarray, names: tuple[str, ...], baseline_recall: dict[int, float]
) -> tuple[ClassRow, ...]:
    """Precision, recall and F1 of every class.

    Args:
      matrix: int64 [C, C] of `confusion_matrix`.
      names: names by class index.
      baseline_recall: the baseline's recall by class index; classes that it lacks have no change.
    """
    hits, counts, taken = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    rows = []
    for index, name in enumerate(names):
        recall = _ratio(hits[index], counts[index])
        before = baseline_recall.get(index)
        rows.append(
            ClassRow(
                name=name,
                count=int(counts[index]),
                precision=_ratio(hits[index], taken[index]),
                recall=recall,
                f1=_ratio(2 * hits[index], counts[index] + taken[index]),
                change=None if recall is None or before is None else recall - before,
            )
        )
    return tuple(rows)


def calibration(
    probabilities: np.ndarray, correct: np.ndarray, bins: int = CALIBRATION_BINS
) -> tuple[tuple[CalibrationBin, ...], float | None]:
    """How often predictions of a probability are right, and the expected calibration error.

    Guo et al. 2017 (arXiv 1706.04599), section 2: bins of equal width over the probability of the
    predicted class; the error is the mean gap, weighted by the bins' counts. Upper edges are
    inclusive, as in the paper; the first bin holds 0 too.

    Args:
      probabilities: float [N], of the predicted class.
      correct: bool [N].
      bins: how many.

    Returns:
      The bins that hold images, rising, and the error; None without images.
    """
    if not len(probabilities):
        return (), None
    values = np.asarray(probabilities, np.float64)
    which = np.clip(np.ceil(values * bins).astype(int) - 1, 0, bins - 1)
    rows, error = [], 0.0
    for index in np.unique(which):
        inside = which == index
        confidence, accuracy = values[inside].mean(), correct[inside].mean()
        error += inside.mean() * abs(accuracy - confidence)
        rows.append(
            CalibrationBin(
                lower=index / bins,
                upper=(index + 1) / bins,
                count=int(inside.sum()),
                confidence=float(confidence),
                accuracy=float(accuracy),
            )
        )
    return tuple(rows), float(error)


def _ratio(part: float, whole: float) -> float | None:
    return float(part) / float(whole) if whole else None
