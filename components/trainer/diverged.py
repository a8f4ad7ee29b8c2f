"""The error of a training whose loss is not finite: at which step, and what to change.

>>> from components.trainer.plan import make_plan
>>> training = TrainingConfig(base_learning_rate=3.0)
>>> plan = make_plan(training, num_images=1_500)
>>> print(diverged(training, plan, LOSS, math.nan, step=12))
training: step 12 of 4000 (epoch 2, rate 0.375): the training loss is nan, which is not ...
"""

from __future__ import annotations

import math

from components.errors import UserError
from components.trainer.config import TrainingConfig
from components.trainer.plan import Plan

LOSS = "the training loss"
EVAL_LOSS = "the loss on the eval split"
WEIGHT = "a weight"
GRADIENT = "a gradient"
"""The values that can be NaN or infinite."""


class DivergedError(UserError):
    """A loss or a weight is NaN or infinite.

    Attributes:
      epoch: the epoch in which it happened, from 1.
    """

    def __init__(self, text: str, epoch: int):
        super().__init__(text)
        self.epoch = epoch


def diverged(
    training: TrainingConfig, plan: Plan, what: str, value: float, step: int
) -> DivergedError:
    """The error of a training in which a value is not finite.

    Args:
      training: the `training` section.
      plan: made from it.
      what: `LOSS`, `EVAL_LOSS`, `WEIGHT` or `GRADIENT`.
      value: NaN or infinite.
      step: the last step that was done, counted from 1.
    """
    rate, base = plan.schedule.rate_at(step - 1), training.base_learning_rate
    epoch = math.ceil(step / plan.steps_per_epoch)
    if step == 1 and what == LOSS:
        # No step has changed the weights yet.
        advice = (
            "Nothing has been learned yet: the network itself gives NaN or infinity for these "
            "images. Set another backbone.handle, or training.warm_start=false if it is true"
        )
    else:
        advice = (
            f"Lower training.base_learning_rate, for example from {base:g} to {base / 10:g} "
            "(search.base_learning_rate if a search chooses it), or give training.schedule a warmup"
        )
    if what == EVAL_LOSS:
        # The training loss was finite until here.
        advice += (
            "; if that does not help, the network gives NaN or infinity for an image of the eval "
            "split"
        )
    if training.precision != "float32":
        advice += f", or change training.precision from {training.precision} to float32"
    return DivergedError(
        f"training: step {step} of {plan.steps} (epoch {epoch}, rate {rate:.4g}): {what} is "
        f"{value}, which is not finite; no model is exported. {advice}.",
        epoch,
    )
