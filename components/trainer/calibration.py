"""Temperature scaling (Guo et al. 2017, arXiv 1706.04599, section 4.2).

A network that was trained to the end is too sure of itself. Its logits are divided by one number,
fitted on images that it did not learn from; the classes stay the same.

>>> generator = np.random.default_rng(0)
>>> labels = generator.integers(0, 3, 2_000)
>>> logits = np.eye(3)[labels] + generator.normal(0, 1, (2_000, 3))
>>> found = calibrate(4 * logits, labels)
>>> bool(3.5 < found.temperature < 4.5), found.error < found.error_before / 5
(True, True)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]

BINS = 15
"""Of the calibration error, as in the paper's section 5."""
LEAST, MOST = 0.05, 20.0
"""Between which a temperature is sought."""


@dataclass(frozen=True)
class Reliability:
    """Images whose first class has a probability in (lower, upper].

    Attributes:
      count: how many.
      confidence: their mean probability.
      accuracy: share of them that are right.
    """

    lower: float
    upper: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """A temperature, and what it is worth on images that it was not fitted on.

    Attributes:
      temperature: divides the logits; 1 changes nothing.
      images: from which it was fitted.
      loss_before: mean cross-entropy in nats without it.
      loss: the same with it, each half of the images by the temperature of the other half.
      error_before: expected calibration error without it.
      error: the same with it, by halves.
      before: how often the network is right against how sure it is, without the temperature.
      after: the same with it, by halves.
    """

    temperature: float
    images: int
    loss_before: float
    loss: float
    error_before: float
    error: float
    before: tuple[Reliability, ...] = ()
    after: tuple[Reliability, ...] = ()


def calibrate(logits: Floats, labels: Ints) -> Calibration:
    """Fits a temperature, and measures it by two-fold cross-fitting.

    Where that does not lower the loss, the temperature is 1: there are too few images, or too few
    mistakes, to fit it.

    Args:
      logits: [N, C], finite, of images that the network did not learn from.
      labels: [N], from 0.
    """
    logits = np.asarray(logits, np.float64)
    halves = np.arange(len(labels)) % 2 == 0, np.arange(len(labels)) % 2 == 1
    divided = logits.copy()
    for fitted, measured in (halves, halves[::-1]):
        divided[measured] /= fit_temperature(logits[fitted], labels[fitted])
    before, after = _loss(logits, labels), _loss(divided, labels)
    plain, scaled = softmax(logits, axis=1), softmax(divided, axis=1)
    error, curve = calibration_error(plain, labels), reliability(plain, labels)
    if not after < before:
        return Calibration(1.0, len(labels), before, before, error, error, curve, curve)
    return Calibration(
        temperature=fit_temperature(logits, labels),
        images=len(labels),
        loss_before=before,
        loss=after,
        error_before=error,
        error=calibration_error(scaled, labels),
        before=curve,
        after=reliability(scaled, labels),
    )


def fit_temperature(logits: Floats, labels: Ints) -> float:
    """The temperature of the least cross-entropy, from 0.05 to 20; 1 for no images.

    The cross-entropy is convex in 1 / temperature: it has one minimum. Where every image is right,
    it has none, and the temperature is 1; so it is at the ends of the range.

    Args:
      logits: [N, C].
      labels: [N], from 0.
    """
    if (logits.argmax(axis=1) == labels).all():
        return 1.0
    found = minimize_scalar(
        lambda log_t: _loss(logits / np.exp(log_t), labels),
        bounds=(np.log(LEAST), np.log(MOST)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    temperature = float(np.exp(found.x))
    return temperature if 1.01 * LEAST < temperature < MOST / 1.01 else 1.0


def calibration_error(probabilities: Floats, labels: Ints, bins: int = BINS) -> float:
    """Expected calibration error of the first class (Guo et al., equation 3), from 0 to 1.

    Args:
      probabilities: [N, C].
      labels: [N], from 0.
      bins: of equal width, over the probability of the first class.
    """
    rows = reliability(probabilities, labels, bins)
    gaps = sum(row.count * abs(row.accuracy - row.confidence) for row in rows)
    return gaps / max(len(labels), 1)


def reliability(probabilities: Floats, labels: Ints, bins: int = BINS) -> tuple[Reliability, ...]:
    """How often the first class is right against its probability, in bins that have images.

    Args:
      probabilities: [N, C].
      labels: [N], from 0.
      bins: of equal width, over the probability of the first class.
    """
    if not len(labels):
        return ()
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    # Bins are open on the left: (0, 1/15], (1/15, 2/15], ...
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return tuple(
        Reliability(
            lower=int(index) / bins,
            upper=(int(index) + 1) / bins,
            count=int((place == index).sum()),
            confidence=float(confidence[place == index].mean()),
            accuracy=float(right[place == index].mean()),
        )
        for index in np.unique(place)
    )


def _loss(logits: Floats, labels: Ints) -> float:
    if not len(labels):
        return 0.0
    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())
