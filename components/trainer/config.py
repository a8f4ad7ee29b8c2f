"""The `training` section: optimiser, schedule and stopping."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from components.section import Section
from components.trainer.schedule import seed_schedule


class ExplicitSchedule(Section):
    """Steps in plain numbers, whatever the batch size; the rate alone follows it."""

    steps: int = Field(ge=1, description="Optimiser steps in all.")
    boundaries: Annotated[tuple[int, ...], Field(strict=False)] = Field(
        (), description="Steps after which the rate is divided by ten."
    )

    @field_validator("boundaries")
    @classmethod
    def _boundaries_rise(cls, boundaries: tuple[int, ...]) -> tuple[int, ...]:
        if list(boundaries) != sorted(set(boundaries)) or any(step < 1 for step in boundaries):
            raise ValueError("boundaries must be positive and rise")
        return boundaries

    @model_validator(mode="after")
    def _boundaries_are_reached(self) -> ExplicitSchedule:
        if self.boundaries and self.boundaries[-1] >= self.steps:
            raise ValueError(f"boundary {self.boundaries[-1]} is not reached in {self.steps} steps")
        return self


def _kind_of_schedule(value: Any) -> str | None:
    if isinstance(value, str):
        return "<named>"
    return "<explicit>" if isinstance(value, (dict, ExplicitSchedule)) else None


# By hand, so that a mistake in one kind is not told as a mistake in both.
Schedule = Annotated[
    Annotated[Literal["seed"], Tag("<named>")] | Annotated[ExplicitSchedule, Tag("<explicit>")],
    Discriminator(
        _kind_of_schedule,
        custom_error_type="schedule",
        custom_error_message="Input should be `seed`, or `steps` and `boundaries`",
    ),
]


class TrainingConfig(Section):
    """Optimiser, schedule and stopping."""

    batch_size: int = Field(64, ge=1, description="Images in a step.")
    base_learning_rate: float = Field(
        0.003, gt=0, description="Rate at batch 512; the step's is base * batch_size / 512."
    )
    schedule: Schedule = Field(
        "seed",
        description="`seed`: length 500 * 512 / batch_size, divided by ten after 200, 300 and 400 "
        "steps, as the keras.io example has it; or `steps` and `boundaries`.",
    )
    steps_per_epoch: int = Field(
        10, ge=1, description="Steps between two looks at the eval split; not a pass over the data."
    )
    epochs: int | None = Field(
        None, ge=1, description="Epochs at most; null is the schedule's length."
    )
    early_stopping_patience: int = Field(
        2, ge=1, description="Epochs without a better val_accuracy before training stops."
    )
    shuffle_buffer: int = Field(10_000, ge=1, description="Records in the shuffle buffer.")
    seed: int = Field(42, ge=0, lt=2**31, description="Of weights, shuffling and augmentation.")
    strategy: Literal["auto", "one_device", "mirrored"] = Field(
        "auto",
        description="`one_device`; `mirrored`: every GPU, or where there is none every logical "
        "CPU, takes an equal part of each batch; `auto`: mirrored where there are several GPUs.",
    )

    @model_validator(mode="after")
    def _one_epoch_fits(self) -> TrainingConfig:
        if isinstance(self.schedule, ExplicitSchedule):
            steps, name = self.schedule.steps, "schedule.steps"
        else:
            steps = seed_schedule(self.base_learning_rate, self.batch_size).steps
            name = f"the {self.schedule} schedule's length at batch_size {self.batch_size},"
        if steps < self.steps_per_epoch:
            raise ValueError(
                f"{name} {steps} is less than one epoch of steps_per_epoch {self.steps_per_epoch}"
            )
        return self
