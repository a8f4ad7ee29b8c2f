"""Figures of a classifier from its predictions, as scikit-learn defines them.

>>> labels, predicted = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
>>> confusion_cells(labels, predicted)
[(0, 0, 2), (0, 1, 1), (1, 1, 1)]
>>> bins, error = calibration(np.array([0.9, 0.9, 0.6, 0.8]), labels == predicted)
>>> [(float(each.lower), each.count) for each in bins], round(float(error), 3)
([(0.5, 1), (0.7, 1), (0.8, 2)], 0.25)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from components.evaluator.intervals import wilson
from components.report.content import CalibrationBin, ClassRow
from components.transform.features import NO_CLASS

CALIBRATION_BINS = 10


def confusion_cells(labels: np.ndarray, predicted: np.ndarray) -> list[tuple[int, int, int]]:
    """The confusion matrix without its zeros: (true, predicted, count), sorted.

    Not as a matrix, which takes 4 GB for the 21,843 classes of ImageNet-21k.

    Args:
      labels: int64 [N].
      predicted: int64 [N]; `NO_CLASS` is a column too.
    """
    if not len(labels):
        return []
    cells, counts = np.unique(np.stack([labels, predicted], axis=1), axis=0, return_counts=True)
    rows = zip(cells, counts, strict=True)
    return [(int(true), int(taken), int(count)) for (true, taken), count in rows]


def class_rows(
    cells: Sequence[tuple[int, int, int]], names: Sequence[str], baseline_recall: dict[int, float]
) -> tuple[ClassRow, ...]:
    """Precision, recall with its interval, and F1 of every class.

    Args:
      cells: of `confusion_cells`.
      names: names by class index.
      baseline_recall: the baseline's recall by class index; classes that it lacks have no change.
    """
    # Not at the top: most processes that know this module draw nothing.
    from sklearn.metrics import precision_recall_fscore_support

    if not cells:
        return tuple(ClassRow(name, 0, None, None, None) for name in names)
    true, taken, counts = np.array(cells).T
    # A ratio of nothing is NaN; sums of whole numbers are exact.
    figures = precision_recall_fscore_support(
        true, taken, labels=np.arange(len(names)), sample_weight=counts, zero_division=np.nan
    )
    rows = []
    for index, (name, precision, recall, f1, support) in enumerate(
        zip(names, *map(np.ndarray.tolist, figures), strict=True)
    ):
        count, before = int(support), baseline_recall.get(index)
        ends = wilson(round(recall * count), count) if count else (None, None)
        rows.append(
            ClassRow(
                name=name,
                count=count,
                precision=_known(precision),
                recall=_known(recall),
                f1=_known(f1),
                change=recall - before if count and before is not None else None,
                lower=ends[0],
                upper=ends[1],
            )
        )
    return tuple(rows)


def calibration(
    probabilities: np.ndarray, correct: np.ndarray, bins: int = CALIBRATION_BINS
) -> tuple[tuple[CalibrationBin, ...], float | None]:
    """How often predictions of a probability are right, and the expected calibration error.

    Guo et al. 2017 (arXiv 1706.04599), section 2: bins of equal width over the probability of the
    predicted class; the error is the mean gap, weighted by the bins' counts. Upper edges are
    inclusive, as in the paper; the first bin holds 0 too. scikit-learn's `calibration_curve` has
    the same bins, but neither their counts nor the error.

    Args:
      probabilities: float [N], of the predicted class; images without one (NaN) are left out.
      correct: bool [N].
      bins: how many.

    Returns:
      The bins that hold images, rising, and the error; None without images.
    """
    known = np.isfinite(probabilities)
    if not known.any():
        return (), None
    values, correct = np.asarray(probabilities, np.float64)[known], correct[known]
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


def without_no_class(cells: Sequence[tuple[int, int, int]]) -> tuple[tuple[int, int, int], ...]:
    """The cells that a matrix of classes by classes has."""
    return tuple(cell for cell in cells if cell[1] != NO_CLASS)


def _known(ratio: float) -> float | None:
    return ratio if math.isfinite(ratio) else None
