"""A training whose loss is not finite: where it ended, and what to change."""

from __future__ import annotations

import math

from components.errors import UserError
from components.trainer.config import TrainingConfig
from components.trainer.plan import Plan

LOSS = "the loss of training"
EVAL_LOSS = "the loss on the eval split"
WEIGHT = "a weight"
GRADIENT = "a gradient"
"""What can be NaN or infinite."""


class DivergedError(UserError):
    """A loss or a weight is NaN or infinite.

    Attributes:
      epoch: in which that was, from 1.
    """

    def __init__(self, text: str, epoch: int):
        super().__init__(text)
        self.epoch = epoch


def diverged(
    training: TrainingConfig, plan: Plan, what: str, value: float, step: int
) -> DivergedError:
    """The error of a training that is not finite.

    Args:
      training: the section that was trained with.
      plan: that came of it.
      what: `LOSS`, `EVAL_LOSS`, `WEIGHT` or `GRADIENT`.
      value: of it.
      step: the last step that was done, counted from 1.
    """
    rate, base = plan.schedule.rate_at(step - 1), training.base_learning_rate
    epoch = math.ceil(step / plan.steps_per_epoch)
    if step == 1 and what == LOSS:
        # It is that of weights that no rate has changed.
        advice = (
            "Nothing has been learned yet: the network itself gives NaN or infinity for these "
            "images. Give another backbone.handle, or set training.warm_start to false where it "
            "is true"
        )
    else:
        advice = (
            f"Lower training.base_learning_rate, for instance from {base:g} to {base / 10:g} "
            "(search.base_learning_rate where a search chooses it), or give training.schedule a "
            "warmup"
        )
    if training.precision != "float32":
        advice += f", or set training.precision from {training.precision} to float32"
    return DivergedError(
        f"training: step {step} of {plan.steps} (epoch {epoch}, rate {rate:.4g}): {what} is "
        f"{value}, which is not finite; no model is exported. {advice}.",
        epoch,
    )
