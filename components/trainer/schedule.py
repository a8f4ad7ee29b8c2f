"""Learning-rate schedules as pure numbers.

The paper's is the BiT-HyperRule (`hyperrule.py`). The other is keras.io's, from "Image
Classification using BigTransfer (BiT)", sections "Define hyperparameters" and "Define optimizer and
loss".

    >>> from components.trainer.hyperrule import hyperrule
    >>> schedule = hyperrule_schedule(0.003, batch_size=512, rule=hyperrule(num_images=1_500))
    >>> [f"{schedule.rate_at(step):.4g}" for step in (0, 50, 100, 200, 400)]
    ['0', '0.0015', '0.003', '0.0003', '3e-06']
    >>> cosine = Schedule(0.1, steps=110, warmup=10, decay="cosine")
    >>> [f"{cosine.rate_at(step):.4g}" for step in (0, 5, 10, 60, 109)]
    ['0', '0.05', '0.1', '0.05', '2.467e-05']
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from components.trainer.hyperrule import HyperRule

REFERENCE_BATCH_SIZE = 512
"""Batch size of the rates and lengths in the BiT paper."""

KERAS_IO_LENGTH = 500
KERAS_IO_BOUNDARIES = (200, 300, 400)
DECAY = 0.1

Decay = Literal["steps", "cosine"]


@dataclass(frozen=True)
class Schedule:
    """A rate that rises linearly from zero, and then falls.

    It is multiplied by `DECAY` after each boundary, or follows half a cosine to zero, as
    big_vision's (Loshchilov and Hutter 2016, arXiv 1608.03983, without restarts).

    Attributes:
      learning_rate: the rate after the warm-up.
      steps: total number of optimiser steps.
      boundaries: steps after which the rate falls, increasing.
      warmup: steps of the warm-up.
      decay: steps or cosine; the latter has no boundaries.
    """

    learning_rate: float
    steps: int
    boundaries: tuple[int, ...] = ()
    warmup: int = 0
    decay: Decay = "steps"

    def rate_at(self, step: int) -> float:
        """The rate of a step, counted from 0."""
        if step < self.warmup:
            return self.learning_rate * step / self.warmup
        if self.decay == "cosine":
            done = (step - self.warmup) / max(1, self.steps - self.warmup)
            return self.learning_rate * (1 + math.cos(math.pi * done)) / 2
        return self.learning_rate * DECAY ** sum(step >= boundary for boundary in self.boundaries)


def scaled_rate(base_learning_rate: float, batch_size: int) -> float:
    """Converts a rate for batch 512 to this batch size, by the linear scaling rule."""
    return base_learning_rate * batch_size / REFERENCE_BATCH_SIZE


def scaled_steps(steps: int, batch_size: int) -> int:
    """Converts steps at batch 512 to this batch size: the same number of images, rounded."""
    return max(1, round(steps * REFERENCE_BATCH_SIZE / batch_size))


def hyperrule_schedule(base_learning_rate: float, batch_size: int, rule: HyperRule) -> Schedule:
    """The paper's schedule; warm-up, boundaries, length and rate are scaled to the batch size."""
    return Schedule(
        learning_rate=scaled_rate(base_learning_rate, batch_size),
        steps=scaled_steps(rule.end, batch_size),
        boundaries=tuple(scaled_steps(boundary, batch_size) for boundary in rule.boundaries),
        warmup=scaled_steps(rule.warmup, batch_size),
    )


def keras_io_schedule(base_learning_rate: float, batch_size: int) -> Schedule:
    """The keras.io example as written.

    It multiplies the length by 512 / batch_size but not the boundaries, so that at batch 64 the
    rate has fallen a thousandfold after a tenth of the 4,000 steps. Early stopping ends training
    before this matters.
    """
    return Schedule(
        learning_rate=scaled_rate(base_learning_rate, batch_size),
        steps=int(KERAS_IO_LENGTH * REFERENCE_BATCH_SIZE / batch_size),
        # Keras's PiecewiseConstantDecay keeps the old rate for the step at the boundary itself.
        boundaries=tuple(boundary + 1 for boundary in KERAS_IO_BOUNDARIES),
    )
