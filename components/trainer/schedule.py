"""Learning-rate schedules, as pure numbers.

The seed is keras.io's "Image Classification using BigTransfer (BiT)", sections "Define
hyperparameters" and "Define optimizer and loss".
"""

from __future__ import annotations

from dataclasses import dataclass

REFERENCE_BATCH_SIZE = 512
"""Rates and lengths of the BiT paper are for this batch size."""

SEED_LENGTH = 500
SEED_BOUNDARIES = (200, 300, 400)
DECAY = 0.1


@dataclass(frozen=True)
class Schedule:
    """A rate that is multiplied by `DECAY` after each boundary.

    Attributes:
      learning_rate: the first rate.
      steps: optimiser steps in all.
      boundaries: steps after which the rate falls, rising.
    """

    learning_rate: float
    steps: int
    boundaries: tuple[int, ...]

    @property
    def values(self) -> tuple[float, ...]:
        """The rates, one more than there are boundaries."""
        return tuple(self.learning_rate * DECAY**i for i in range(len(self.boundaries) + 1))

    def rate_at(self, step: int) -> float:
        """Rate of the step with this index, counted from 0; a boundary itself has the old rate.

        Keras's PiecewiseConstantDecay does the same (`step <= boundary`).
        """
        return self.values[sum(step > boundary for boundary in self.boundaries)]

    def epochs(self, steps_per_epoch: int) -> int:
        """Whole epochs that fit into the schedule."""
        return self.steps // steps_per_epoch


def scaled_rate(base_learning_rate: float, batch_size: int) -> float:
    """The linear scaling rule: a rate for batch 512, at this batch size."""
    return base_learning_rate * batch_size / REFERENCE_BATCH_SIZE


def seed_schedule(base_learning_rate: float, batch_size: int) -> Schedule:
    """The keras.io example as written.

    It stretches the length by 512 / batch_size and leaves the boundaries where they are, so that at
    batch 64 the rate has fallen a thousandfold after a tenth of the 4,000 steps. Early stopping
    ends training before that shows.
    """
    return Schedule(
        learning_rate=scaled_rate(base_learning_rate, batch_size),
        steps=int(SEED_LENGTH * REFERENCE_BATCH_SIZE / batch_size),
        boundaries=SEED_BOUNDARIES,
    )
