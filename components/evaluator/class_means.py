"""Means over the classes, in which a rare class counts as much as a frequent one.

As scikit-learn's `balanced_accuracy_score` and `f1_score(average="macro")`: a class without images
has no recall and is left out of the balanced accuracy; in the macro-F1 it counts as 0 if it was
predicted, and is left out if it was not. No answer (`NO_CLASS`) is a wrong one, and no class.

    >>> labels, predicted = np.array([0] * 8 + [1] * 2), np.array([0] * 9 + [1])
    >>> means = class_means(labels, predicted)
    >>> {name: round(each.value, 4) for name, each in means.items()}
    {'balanced_accuracy': 0.75, 'macro_f1': 0.8039}
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.evaluator import intervals
from components.evaluator.gates import Measured
from components.evaluator.results import BALANCED_ACCURACY, MACRO_F1

_SEED = 20_260_102
_RESAMPLES = 2_000
_CHUNK = 2_000_000
"""Numbers of an array in memory."""
_DECIMALS = 12


def class_means(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> dict[str, Measured]:
    """Both means with their intervals; {} without images.

    Args:
      labels: int64 [N].
      predicted: int64 [N], `NO_CLASS` without an answer.
    """
    if not len(labels):
        return {}
    _, classes, trials = np.unique(labels, return_inverse=True, return_counts=True)
    hits = np.bincount(classes[labels == predicted], minlength=len(trials))
    return {
        BALANCED_ACCURACY: balanced_accuracy(hits, trials),
        MACRO_F1: macro_f1(labels, predicted),
    }


def balanced_accuracy(hits: NDArray[np.number], trials: NDArray[np.integer]) -> Measured:
    """The mean of the recalls, with the interval of `intervals.mean_of_shares`.

    Args:
      hits: images classified right, [C], of the classes that have images.
      trials: images of each, [C], at least 1.
    """
    value = round(float(np.mean(np.asarray(hits, np.float64) / trials)), _DECIMALS)
    return Measured(value, *intervals.mean_of_shares(hits, trials), int(trials.sum()))


def macro_f1(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> Measured:
    """The mean of the F1 scores, with the percentile interval of a bootstrap.

    It draws each class's images again from among themselves: a rare class never gets lost. There
    is no interval for fewer than `intervals.LEAST_IMAGES`, nor if every draw gives the same.

    Args:
      labels: int64 [N], N at least 1.
      predicted: int64 [N], `NO_CLASS` without an answer.
    """
    cells = _Cells(labels, predicted)
    value = round(float(cells.macro_f1(cells.counts[np.newaxis])[0]), _DECIMALS)
    measured = Measured(value, count=len(labels))
    if len(labels) < intervals.LEAST_IMAGES:
        return measured
    lower, upper = np.quantile(cells.resampled(), intervals.ENDS).round(_DECIMALS).tolist()
    return measured if lower == upper else Measured(value, lower, upper, len(labels))


class _Cells:
    """The cells of the confusion matrix that have images, sorted by class.

    Attributes:
      counts: images in each, [K].
    """

    def __init__(self, labels: NDArray[np.int64], predicted: NDArray[np.int64]):
        cells, self.counts = np.unique(np.stack([labels, predicted]), axis=1, return_counts=True)
        classes = np.unique(cells[cells >= 0])
        self._classes = len(classes)
        self._true = np.searchsorted(classes, cells[0])
        # Behind all classes, to be cut off, is what has no answer.
        self._predicted = np.where(cells[1] < 0, self._classes, np.searchsorted(classes, cells[1]))
        self._right = cells[0] == cells[1]

    def macro_f1(self, counts: NDArray[np.integer]) -> NDArray[np.float64]:
        """Of each row of counts, [R, K] -> float64 [R]."""
        size = (len(counts), self._classes + 1)
        right, seen = np.zeros(size), np.zeros(size)
        for cell, of_cell in enumerate(counts.T):
            true, predicted = self._true[cell], self._predicted[cell]
            seen[:, true] += of_cell
            seen[:, predicted] += of_cell
            if self._right[cell]:
                right[:, true] += of_cell
        right, seen = right[:, :-1], seen[:, :-1]
        scores = np.divide(2 * right, seen, out=np.zeros_like(seen), where=seen > 0)
        return np.asarray(scores.sum(axis=1) / (seen > 0).sum(axis=1))

    def resampled(self) -> NDArray[np.float64]:
        """The macro-F1 of every resample, float64 [R]."""
        random = np.random.default_rng(_SEED)
        starts = np.flatnonzero(np.diff(self._true, prepend=-1))
        strata = np.split(self.counts, starts[1:])
        step = max(1, _CHUNK // (len(self.counts) + self._classes))
        found = []
        for start in range(0, _RESAMPLES, step):
            rows = min(step, _RESAMPLES - start)
            drawn = [
                random.multinomial(of_class.sum(), of_class / of_class.sum(), rows)
                for of_class in strata
            ]
            found.append(self.macro_f1(np.concatenate(drawn, axis=1)))
        return np.concatenate(found)
