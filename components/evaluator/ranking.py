"""How probabilities rank the classes: the one rule of the accuracy, the top k and the loss.

The class of the highest probability is first; of equal ones that of the smaller index, as argmax
and the served `class_index` take it. An image whose probabilities are not all finite, or none
positive, has no answer: it is right for no class, and its label is behind all of them.

    >>> probabilities = np.array([[0.2, 0.5, 0.3], [np.nan, 0.5, 0.5]])
    >>> predicted_classes(probabilities).tolist()
    [1, -1]
    >>> label_ranks(np.array([2, 1]), probabilities).tolist()
    [1, 3]
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.transform.features import NO_CLASS

LEAST_PROBABILITY = 1e-7
"""The loss counts every smaller probability as this, as Keras does: -log of it is 16.1."""


def answered(probabilities: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which rows name a class.

    Args:
      probabilities: float [N, C].

    Returns:
      bool [N].
    """
    finite = np.isfinite(probabilities).all(axis=1)
    return np.asarray(finite & (probabilities.max(axis=1, initial=0.0) > 0))


def predicted_classes(probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
    """The class of the highest probability, the first of equal ones; `NO_CLASS` without an answer.

    Args:
      probabilities: float [N, C].

    Returns:
      int64 [N].
    """
    return np.where(answered(probabilities), probabilities.argmax(axis=1), NO_CLASS)


def label_ranks(
    labels: NDArray[np.int64], probabilities: NDArray[np.floating]
) -> NDArray[np.int64]:
    """How many classes come before the label's: 0 is right, C is an image without an answer.

    Args:
      labels: int64 [N], each in [0, C).
      probabilities: float [N, C].

    Returns:
      int64 [N].
    """
    classes = probabilities.shape[1]
    own = np.take_along_axis(probabilities, labels[:, np.newaxis], axis=1)
    first_of_equals = np.arange(classes) < labels[:, np.newaxis]
    before = (probabilities > own) | ((probabilities == own) & first_of_equals)
    return np.where(answered(probabilities), before.sum(axis=1), classes)


def losses(
    label_probability: NDArray[np.floating], predicted: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The cross-entropy of each image in nats; NaN without an answer.

    Args:
      label_probability: float [N], of the label.
      predicted: int64 [N], of `predicted_classes`.

    Returns:
      float64 [N], between 0 and 16.1.
    """
    own = np.clip(label_probability.astype(np.float64), LEAST_PROBABILITY, 1.0)
    return np.where(predicted == NO_CLASS, np.nan, -np.log(own))


def num_clipped(label_probability: NDArray[np.floating], predicted: NDArray[np.int64]) -> int:
    """Images whose label has a probability below `LEAST_PROBABILITY`, so that the loss is clipped.

    Args:
      label_probability: float [N], of the label.
      predicted: int64 [N], of `predicted_classes`.
    """
    return int(((label_probability < LEAST_PROBABILITY) & (predicted != NO_CLASS)).sum())
