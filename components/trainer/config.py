"""The `training` section: optimiser, schedule and stopping."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag, field_validator, model_validator

from components.section import AUTO_OR, VALUE, Auto, Section, told_apart
from components.trainer.schedule import keras_io_schedule


class ExplicitSchedule(Section):
    """Steps in plain numbers, whatever the batch size; the rate alone follows it."""

    steps: int = Field(ge=1, description="Optimiser steps in all.")
    boundaries: Annotated[tuple[int, ...], Field(strict=False)] = Field(
        (), description="Steps after which the rate is divided by ten."
    )
    warmup: int = Field(0, ge=0, description="Steps over which the rate rises from zero.")

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
        first = self.boundaries[0] if self.boundaries else self.steps
        if self.warmup > first:
            raise ValueError(f"warmup {self.warmup} is longer than the first rate's {first} steps")
        return self


Schedule = Annotated[
    Annotated[Literal["keras_io", "hyperrule"], Tag("<named>")]
    | Annotated[ExplicitSchedule, Tag("<explicit>")],
    told_apart(
        {"<named>": str, "<explicit>": (dict, ExplicitSchedule)},
        "schedule",
        "Input should be `keras_io`, `hyperrule`, or `steps` and `boundaries`",
    ),
]
Count = Annotated[int, Field(ge=1), VALUE]


class TrainingConfig(Section):
    """Optimiser, schedule and stopping."""

    batch_size: int = Field(64, ge=1, description="Images in a step, over all devices.")
    base_learning_rate: float = Field(
        0.003, gt=0, description="Rate at batch 512; the step's is base * batch_size / 512."
    )
    schedule: Schedule = Field(
        "keras_io",
        description="`keras_io`: length 500 * 512 / batch_size, divided by ten after 200, 300 and "
        "400 steps, as the keras.io example has it; `hyperrule`: the BiT paper's, from the number "
        "of training images, with warm-up, boundaries and length stretched by 512 / batch_size; or "
        "`steps`, `boundaries` and `warmup`.",
    )
    steps_per_epoch: Annotated[Auto | Count, AUTO_OR] = Field(
        "auto",
        description="Steps between two looks at the eval split; not a pass over the data. auto: "
        "10 under `keras_io`, else a pass, but no more than 50 looks.",
    )
    epochs: int | None = Field(
        None, ge=1, description="Epochs at most; null is the schedule's length."
    )
    early_stopping_patience: Annotated[
        Auto | Annotated[Annotated[int, Field(ge=1)] | None, VALUE], AUTO_OR
    ] = Field(
        "auto",
        description="Epochs without a better val_accuracy before training stops and the best "
        "weights are restored; null trains to the end and keeps the last. auto: 2 under "
        "`keras_io`, else null, as the paper has it.",
    )
    mixup: Annotated[Auto | Annotated[float, Field(ge=0, le=10), VALUE], AUTO_OR] = Field(
        "auto",
        description="Alpha of MixUp's Beta distribution; 0 is none. auto: the paper's under "
        "`hyperrule` (0.1 from 20,000 training images on), else none.",
    )
    shuffle_buffer: int = Field(10_000, ge=1, description="Records in the shuffle buffer.")
    cache: Literal["auto", "memory", "disk", "off"] = Field(
        "auto",
        description="Where decoded images stay between passes, and the embeddings of a frozen "
        "backbone: `memory`; `disk`, a temporary folder (TMPDIR); `off`, everything is done "
        "again in each pass; `auto`: memory. What is larger than the limit is not kept. The "
        "result is the same.",
    )
    cache_limit_mb: int = Field(2048, ge=0, description="Megabytes that may be kept so.")
    seed: int = Field(42, ge=0, lt=2**31 - 2, description="Of shuffling, augmentation and MixUp.")
    warm_start: bool = Field(
        False,
        description="Begin from the weights of the model that serves, where there is one, and not "
        "from the backbone alone (docs/how-to/training.md).",
    )
    strategy: Literal["auto", "one_device", "mirrored", "multi_worker"] = Field(
        "auto",
        description="`one_device`; `mirrored`: every GPU, or where there is none every logical "
        "CPU, takes an equal part of each batch; `auto`: mirrored where there are several GPUs; "
        "`multi_worker`: the processes of TF_CONFIG (docs/how-to/training.md).",
    )
    batch_split: int = Field(
        1,
        ge=1,
        description="Parts of a device's batch that go through the network one after the other, "
        "their gradients summed: less memory, the same step.",
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "float32",
        description="Of convolutions and activations; weights and logits are float32 always. "
        "mixed_float16 scales the loss.",
    )
    xla: bool = Field(False, description="Compile the step's forward and backward pass with XLA.")
    checkpoint_seconds: int = Field(
        60,
        ge=0,
        description="Seconds between two checkpoints, from which a run that was killed goes on; "
        "0 writes one after every step.",
    )

    @model_validator(mode="after")
    def _batch_is_split_evenly(self) -> TrainingConfig:
        if self.batch_size % self.batch_split:
            raise ValueError(
                f"batch_size {self.batch_size} does not divide by batch_split {self.batch_split}"
            )
        return self

    @model_validator(mode="after")
    def _one_epoch_fits(self) -> TrainingConfig:
        # How long the paper's schedule is depends on the data.
        if self.steps_per_epoch == "auto" or self.schedule == "hyperrule":
            return self
        if isinstance(self.schedule, ExplicitSchedule):
            steps, name = self.schedule.steps, "schedule.steps"
        else:
            steps = keras_io_schedule(self.base_learning_rate, self.batch_size).steps
            name = f"the {self.schedule} schedule's length at batch_size {self.batch_size},"
        if steps < self.steps_per_epoch:
            raise ValueError(
                f"{name} {steps} is less than one epoch of steps_per_epoch {self.steps_per_epoch}"
            )
        return self
