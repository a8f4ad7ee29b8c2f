"""Learning-rate schedules, as pure numbers.

The paper's is the BiT-HyperRule (`hyperrule.py`). The seed is keras.io's "Image Classification
using BigTransfer (BiT)", sections "Define hyperparameters" and "Define optimizer and loss".
"""

from __future__ import annotations

from dataclasses import dataclass

from components.trainer.hyperrule import HyperRule

REFERENCE_BATCH_SIZE = 512
"""Rates and lengths of the BiT paper are for this batch size."""

KERAS_IO_LENGTH = 500
KERAS_IO_BOUNDARIES = (200, 300, 400)
DECAY = 0.1


@dataclass(frozen=True)
class Schedule:
    """A rate that rises linearly from zero, and is multiplied by `DECAY` after each boundary.

    Attributes:
      learning_rate: the rate after the warm-up.
      steps: optimiser steps in all.
      boundaries: numbers of steps after which the rate falls, rising.
      warmup: steps of the warm-up.
    """

    learning_rate: float
    steps: int
    boundaries: tuple[int, ...] = ()
    warmup: int = 0

    def rate_at(self, step: int) -> float:
        """Rate of the step with this index, counted from 0: so many steps lie behind it."""
        if step < self.warmup:
            return self.learning_rate * step / self.warmup
        return self.learning_rate * DECAY ** sum(step >= boundary for boundary in self.boundaries)


def scaled_rate(base_learning_rate: float, batch_size: int) -> float:
    """The linear scaling rule: a rate for batch 512, at this batch size."""
    return base_learning_rate * batch_size / REFERENCE_BATCH_SIZE


def scaled_steps(steps: int, batch_size: int) -> int:
    """A number of steps at batch 512, at this batch size: as many images, to the nearest step."""
    return max(1, round(steps * REFERENCE_BATCH_SIZE / batch_size))


def hyperrule_schedule(base_learning_rate: float, batch_size: int, rule: HyperRule) -> Schedule:
    """The paper's schedule; warm-up, boundaries and length stretch together, the rate shrinks."""
    return Schedule(
        learning_rate=scaled_rate(base_learning_rate, batch_size),
        steps=scaled_steps(rule.end, batch_size),
        boundaries=tuple(scaled_steps(boundary, batch_size) for boundary in rule.boundaries),
        warmup=scaled_steps(rule.warmup, batch_size),
    )


def keras_io_schedule(base_learning_rate: float, batch_size: int) -> Schedule:
    """The keras.io example as written.

    It stretches the length by 512 / batch_size and leaves the boundaries where they are, so that at
    batch 64 the rate has fallen a thousandfold after a tenth of the 4,000 steps. Early stopping
    ends training before that shows.
    """
    return Schedule(
        learning_rate=scaled_rate(base_learning_rate, batch_size),
        steps=int(KERAS_IO_LENGTH * REFERENCE_BATCH_SIZE / batch_size),
        # Keras's PiecewiseConstantDecay keeps the old rate for the step at the boundary itself.
        boundaries=tuple(boundary + 1 for boundary in KERAS_IO_BOUNDARIES),
    )
