"""Resolves the `auto` values of the `training` section, from the number of training images.

>>> plan = make_plan(TrainingConfig(schedule="hyperrule"), num_images=1_500)
>>> plan.steps, plan.steps_per_epoch, plan.epochs, plan.patience, plan.mixup
(4000, 80, 50, None, 0.0)
>>> make_plan(TrainingConfig(), num_images=1_500).patience
2
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from components.trainer.config import ExplicitSchedule, TrainingConfig
from components.trainer.hyperrule import hyperrule, mixup_alpha
from components.trainer.schedule import Schedule, hyperrule_schedule, keras_io_schedule, scaled_rate

KERAS_IO_STEPS_PER_EPOCH = 10
KERAS_IO_PATIENCE = 2
EVALUATIONS = 50
"""The largest number of evaluations in a training with `steps_per_epoch: auto`."""


@dataclass(frozen=True)
class Plan:
    """One training in plain numbers.

    Attributes:
      schedule: the learning rate of every step.
      steps: optimiser steps at most; no more than in the schedule.
      steps_per_epoch: steps between two evaluations; the last epoch may be shorter.
      patience: epochs without a better val_accuracy after which training stops; None never stops,
        and uses the last weights instead of the best.
      mixup: alpha of MixUp; 0 is no MixUp.
    """

    schedule: Schedule
    steps: int
    steps_per_epoch: int
    patience: int | None
    mixup: float

    @property
    def epochs(self) -> int:
        """Epochs at most."""
        return math.ceil(self.steps / self.steps_per_epoch)


def make_plan(training: TrainingConfig, num_images: int) -> Plan:
    """Resolves the `auto` values.

    Args:
      training: the `training` section.
      num_images: number of training images.
    """
    schedule = make_schedule(training, num_images)
    steps_per_epoch = training.steps_per_epoch
    if steps_per_epoch == "auto":
        steps_per_epoch = _steps_per_epoch(training, num_images, schedule.steps)
    steps = schedule.steps
    if training.schedule == "keras_io":
        # Whole epochs, as in the keras.io example.
        steps -= steps % steps_per_epoch
    if training.epochs is not None:
        steps = min(steps, training.epochs * steps_per_epoch)
    patience = training.early_stopping_patience
    if patience == "auto":
        patience = KERAS_IO_PATIENCE if training.schedule == "keras_io" else None
    mixup = mixup_alpha(mixup_rule(training), num_images)
    return Plan(schedule, steps, steps_per_epoch, patience, mixup)


def mixup_rule(training: TrainingConfig) -> float | None:
    """Alpha of MixUp; None if the paper's rule chooses it from the number of images."""
    if training.mixup == "auto":
        return None if training.schedule == "hyperrule" else 0.0
    return training.mixup


def make_schedule(training: TrainingConfig, num_images: int) -> Schedule:
    """The configured schedule, for this number of training images."""
    base, batch = training.base_learning_rate, training.batch_size
    if isinstance(training.schedule, ExplicitSchedule):
        explicit = training.schedule
        rate = scaled_rate(base, batch)
        return Schedule(rate, explicit.steps, explicit.boundaries, explicit.warmup, explicit.decay)
    if training.schedule == "hyperrule":
        return hyperrule_schedule(base, batch, hyperrule(num_images))
    return keras_io_schedule(base, batch)


def _steps_per_epoch(training: TrainingConfig, num_images: int, steps: int) -> int:
    """Ten for `keras_io`; otherwise one pass, or more to have at most `EVALUATIONS` epochs."""
    if training.schedule == "keras_io":
        return KERAS_IO_STEPS_PER_EPOCH
    one_pass = math.ceil(num_images / training.batch_size)
    return min(steps, max(one_pass, math.ceil(steps / EVALUATIONS)))
