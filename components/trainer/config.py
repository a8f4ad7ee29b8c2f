"""The `training` section: optimiser, schedule and stopping.

>>> training = TrainingConfig(schedule={"steps": 300, "boundaries": [100, 200]})
>>> training.schedule.boundaries
(100, 200)
>>> TrainingConfig(batch_size=64, batch_split=5)
Traceback (most recent call last):
...
pydantic_core._pydantic_core.ValidationError: 1 validation error for TrainingConfig
  Value error, batch_size 64 is not a multiple of batch_split 5 ...
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag, field_validator, model_validator

from components.section import AUTO_OR, VALUE, Auto, Section, union_by_type
from components.trainer.augmentation import Augmentation, RandAugmentConfig
from components.trainer.schedule import Decay, keras_io_schedule


class ExplicitSchedule(Section):
    """A schedule in steps that do not depend on the batch size; only the rate does."""

    steps: int = Field(ge=1, description="The total number of optimiser steps.")
    boundaries: Annotated[tuple[int, ...], Field(strict=False)] = Field(
        (), description="Steps after which the learning rate is divided by ten."
    )
    warmup: int = Field(0, ge=0, description="Steps over which the learning rate rises from zero.")
    decay: Decay = Field(
        "steps",
        description="How the rate falls after the warm-up. `steps`: at the `boundaries`; `cosine`: "
        "along half a cosine, to zero at the end of `steps`.",
    )

    @field_validator("boundaries")
    @classmethod
    def _boundaries_rise(cls, boundaries: tuple[int, ...]) -> tuple[int, ...]:
        if list(boundaries) != sorted(set(boundaries)) or any(step < 1 for step in boundaries):
            raise ValueError("boundaries must be positive and increasing")
        return boundaries

    @model_validator(mode="after")
    def _boundaries_are_reached(self) -> ExplicitSchedule:
        if self.boundaries and self.boundaries[-1] >= self.steps:
            raise ValueError(
                f"boundaries must be below steps {self.steps}, but one is {self.boundaries[-1]}"
            )
        if self.decay == "cosine" and self.boundaries:
            raise ValueError("decay cosine has no boundaries: leave them out, or decay")
        first = self.boundaries[0] if self.boundaries else self.steps
        if self.warmup > first:
            raise ValueError(
                f"warmup {self.warmup} must end before the rate falls, at step {first}"
            )
        return self


Schedule = Annotated[
    Annotated[Literal["keras_io", "hyperrule"], Tag("<named>")]
    | Annotated[ExplicitSchedule, Tag("<explicit>")],
    union_by_type(
        {"<named>": str, "<explicit>": (dict, ExplicitSchedule)},
        "schedule",
        "Input should be `keras_io`, `hyperrule`, or a section with `steps` and `boundaries`",
    ),
]
Weights = Annotated[
    Annotated[Literal["balanced"], Tag("<named>")]
    | Annotated[dict[str, Annotated[float, Field(gt=0)]], Field(min_length=1), Tag("<by_class>")],
    union_by_type(
        {"<named>": str, "<by_class>": dict},
        "class_weights",
        "Input should be `balanced`, or a weight for each class that is named",
    ),
]
Count = Annotated[int, Field(ge=1), VALUE]


class TrainingConfig(Section):
    """Optimiser, schedule and stopping."""

    batch_size: int = Field(
        64, ge=1, description="The number of images per step, over all devices."
    )
    base_learning_rate: float = Field(
        0.003,
        gt=0,
        description="The learning rate for a batch of 512 images; the rate that is used is "
        "base_learning_rate * batch_size / 512.",
    )
    schedule: Schedule = Field(
        "keras_io",
        description="The learning-rate schedule. `keras_io`: 500 * 512 / batch_size steps, the "
        "rate divided by ten after 200, 300 and 400 steps, as in the keras.io example; "
        "`hyperrule`: the BiT paper's rule for the number of training images, its steps multiplied "
        "by 512 / batch_size; or a section with `steps`, `boundaries` and `warmup`.",
    )
    steps_per_epoch: Annotated[Auto | Count, AUTO_OR] = Field(
        "auto",
        description="Training steps between two evaluations on the eval split, which need not be a "
        "pass over the data. auto: 10 with `keras_io`; otherwise one pass, or more if that would "
        "give over 50 evaluations.",
    )
    epochs: int | None = Field(
        None,
        ge=1,
        description="The largest number of epochs (of steps_per_epoch steps each); null trains for "
        "the length of the schedule.",
    )
    early_stopping_patience: Annotated[
        Auto | Annotated[Annotated[int, Field(ge=1)] | None, VALUE], AUTO_OR
    ] = Field(
        "auto",
        description="Epochs without a better val_accuracy after which training stops and the best "
        "weights are restored; null trains to the end and uses the last weights. auto: 2 with "
        "`keras_io`, otherwise null, as in the paper.",
    )
    mixup: Annotated[Auto | Annotated[float, Field(ge=0, le=10), VALUE], AUTO_OR] = Field(
        "auto",
        description="Alpha of MixUp's Beta distribution; 0 turns MixUp off. auto: the paper's "
        "value with `hyperrule` (0.1 from 20,000 training images on), otherwise 0.",
    )
    inception_crop: float | None = Field(
        None,
        gt=0,
        le=1,
        description="The least share of the image's area in a crop of random size and shape (3:4 "
        "to 4:3), which is resized to preprocessing.crop, or to preprocessing.resize if that is "
        "null; big_vision takes 0.05. null: the crop has a fixed size.",
    )
    randaugment: RandAugmentConfig | None = Field(
        None,
        description="RandAugment: each training image goes through `layers` of fourteen "
        "operations (contrast, rotation, ...) at the strength `magnitude`; null does none.",
    )
    random_erasing: float = Field(
        0.0,
        ge=0,
        le=1,
        description="The probability that a rectangle of a training image (2 to 40 % of its area) "
        "is replaced by noise.",
    )
    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="The share of a label that is given to all classes in equal parts, in the "
        "training loss.",
    )
    class_weights: Weights | None = Field(
        None,
        description="How much an image counts in the training loss, by its class. `balanced`: "
        "images / (classes * images of the class), as scikit-learn has it; or `{class name: "
        "number}`, 1 for those that are not named; null: all alike.",
    )
    clip_norm: float | None = Field(
        None,
        gt=0,
        description="The largest norm of all gradients together: longer ones are scaled down to "
        "it in each step; big_vision takes 1.0. null scales none.",
    )
    shuffle_buffer: int = Field(
        10_000, ge=1, description="The number of records in the shuffle buffer."
    )
    cache: Literal["auto", "memory", "disk", "off"] = Field(
        "auto",
        description="Where to cache decoded images, and the embeddings of a frozen backbone, "
        "between passes: `memory`; `disk`, a temporary folder (TMPDIR); `off`, which computes "
        "everything again in each pass; `auto`, which is memory. A split that does not fit into "
        "cache_limit_mb is not cached. The result is the same.",
    )
    cache_limit_mb: int = Field(2048, ge=0, description="The largest size of the cache, in MB.")
    seed: int = Field(
        42, ge=0, lt=2**31 - 2, description="The seed for shuffling, augmentation and MixUp."
    )
    warm_start: bool = Field(
        False,
        description="Whether to start from the weights of the serving model, if there is one, "
        "instead of from the backbone alone (docs/how-to/training.md).",
    )
    strategy: Literal["auto", "one_device", "mirrored", "multi_worker"] = Field(
        "auto",
        description="How steps are distributed. `one_device`; `mirrored`: every GPU, or every "
        "logical CPU if there is no GPU, takes an equal part of each batch; `auto`: mirrored if "
        "there are several GPUs; `multi_worker`: over the processes of TF_CONFIG "
        "(docs/how-to/training.md).",
    )
    batch_split: int = Field(
        1,
        ge=1,
        description="The number of parts in which a device processes its batch, one after the "
        "other, summing the gradients: the same step in less memory.",
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "float32",
        description="The number format of convolutions and activations; weights and logits are "
        "always float32. mixed_float16 scales the loss.",
    )
    xla: bool = Field(
        False, description="Whether to compile the forward and backward pass with XLA."
    )
    calibration: Literal["none", "temperature"] = Field(
        "none",
        description="`temperature`: after the training the logits are divided by one number, "
        "fitted on the eval split, so that a probability matches the share of correct "
        "predictions; the classes stay the same (docs/how-to/calibration.md).",
    )
    checkpoint_seconds: int = Field(
        60,
        ge=0,
        description="Seconds between two checkpoints, from which a run that was killed resumes; 0 "
        "writes one after every step.",
    )

    @property
    def augmentation(self) -> Augmentation:
        """What is done to training images, of the keys here."""
        return Augmentation(
            inception_crop=self.inception_crop,
            randaugment=self.randaugment,
            random_erasing=self.random_erasing,
        )

    @model_validator(mode="after")
    def _batch_is_split_evenly(self) -> TrainingConfig:
        if self.batch_size % self.batch_split:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of batch_split {self.batch_split}"
            )
        return self

    @model_validator(mode="after")
    def _one_epoch_fits(self) -> TrainingConfig:
        # The length of the paper's schedule depends on the data.
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
