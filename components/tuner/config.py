"""The `search` section: what is tried, how often, and on how many images it is judged.

>>> config = SearchConfig(base_learning_rate=[0.003, 0.03], mode=["head_only", "full"])
>>> config.combinations, config.most_trials
(4, 4)
>>> describe({"base_learning_rate": 0.003, "mode": "full"})
'base_learning_rate 0.003, mode full'
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, Tag, ValidationError, field_validator, model_validator

from components.section import Ratio, Section, union_by_type
from components.trainer.augmentation import RandAugmentConfig
from components.trainer.config import Schedule, TrainingConfig
from components.transform.config import ImageSizes, Side

SEARCHED = (
    *("base_learning_rate", "schedule", "mode", "batch_size", "mixup", "crop", "inception_crop"),
    *("randaugment", "random_erasing", "label_smoothing", "clip_norm"),
)
"""Keys that can have several values."""

Rate = Annotated[float, Field(gt=0)]


class RateRange(Section):
    """Rates between two, as likely in one decade as in another."""

    low: Rate = Field(description="The lowest.")
    high: Rate = Field(description="The highest.")

    @model_validator(mode="after")
    def _low_is_below_high(self) -> RateRange:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        return self


_Value = TypeVar("_Value")
_List = Annotated[tuple[_Value, ...], Field(strict=False)]
Rates = Annotated[
    Annotated[tuple[Rate, ...], Field(strict=False), Tag("<list>")]
    | Annotated[RateRange, Tag("<range>")],
    union_by_type(
        {"<list>": (list, tuple), "<range>": (dict, RateRange)},
        "rates",
        "Input should be a list of rates, or `low` and `high`",
    ),
]


def _choices(key: str, more: str = "") -> Any:
    return Field(None, description=f"Values for `{key}`: a list{more}.")


class SearchConfig(Section):
    """What is searched for; a key that is not given stays as the configuration has it."""

    trials: int = Field(
        10,
        ge=2,
        description="Trainings at most; if only lists are given, no more than their combinations.",
    )
    timeout_s: int | None = Field(
        None, ge=1, description="Seconds after which no trial begins; null has no limit."
    )
    seed: int = Field(
        42,
        ge=0,
        lt=2**31 - 2,
        description="The seed for what is tried and for the held-out images.",
    )
    epochs: int | None = Field(
        None, ge=1, description="Epochs of a trial at most; null trains as long as the Trainer."
    )
    holdout: float = Field(
        0.15,
        gt=0,
        lt=1,
        description="The share of the train split that trials are evaluated on and not trained on.",
    )
    base_learning_rate: Rates | None = Field(
        None,
        description="Values for `training.base_learning_rate`: `low` and `high`, between which "
        "rates are drawn (log-uniform), or a list.",
    )
    schedule: _List[Schedule] | None = _choices("training.schedule")
    mode: _List[Literal["head_only", "full"]] | None = _choices(
        "backbone.mode", " of head_only, full"
    )
    batch_size: _List[Annotated[int, Field(ge=1)]] | None = _choices("training.batch_size")
    mixup: _List[Annotated[float, Field(ge=0, le=10)]] | None = _choices("training.mixup")
    crop: _List[Side | None] | None = _choices(
        "preprocessing.crop", ", up to `resize`; null is the whole image"
    )
    inception_crop: _List[Annotated[float, Field(gt=0, le=1)] | None] | None = _choices(
        "training.inception_crop"
    )
    randaugment: _List[RandAugmentConfig | None] | None = _choices("training.randaugment")
    random_erasing: _List[Ratio] | None = _choices("training.random_erasing")
    label_smoothing: _List[Annotated[float, Field(ge=0, lt=1)]] | None = _choices(
        "training.label_smoothing"
    )
    clip_norm: _List[Rate | None] | None = _choices("training.clip_norm")
    pruning: bool = Field(
        True,
        description="End a trial that is worse than the median of the earlier ones after as many "
        "steps (from the sixth trial on, and never while the rate still rises).",
    )

    @field_validator(*SEARCHED)
    @classmethod
    def _values_differ(cls, values: Any) -> Any:
        if values == ():
            raise ValueError("give at least one value")
        if isinstance(values, tuple) and any(
            value in values[:place] for place, value in enumerate(values)
        ):
            raise ValueError("it has a value twice")
        return values

    @model_validator(mode="after")
    def _there_is_a_choice(self) -> SearchConfig:
        if self.combinations == 1:
            raise ValueError(
                "there is nothing to choose: give base_learning_rate, schedule, mode or another "
                "key more than one value"
            )
        return self

    @property
    def space(self) -> dict[str, RateRange | tuple[Any, ...]]:
        """What is searched, by key; values are plain, as in YAML."""
        given = {key: getattr(self, key) for key in SEARCHED}
        return {key: _plain(values) for key, values in given.items() if values is not None}

    @property
    def combinations(self) -> float:
        """How many there are; infinite where rates are drawn from a range."""
        sizes = [len(v) if isinstance(v, tuple) else math.inf for v in self.space.values()]
        return math.prod(sizes)

    @property
    def most_trials(self) -> int:
        """Trials at most."""
        return int(min(self.trials, self.combinations))

    def check(self, training: TrainingConfig) -> None:
        """Whether everything that is searched goes with the `training` section.

        Raises:
          ValueError: something does not; the text begins with its key.
        """
        # Of what is searched these alone depend on each other, and on other keys.
        keys = [key for key in ("schedule", "batch_size") if key in self.space]
        lists: list[Any] = [self.space[key] for key in keys]
        for places in itertools.product(*(range(len(each)) for each in lists)):
            tried = dict(zip(keys, places, strict=True))
            values = {key: each[tried[key]] for key, each in zip(keys, lists, strict=True)}
            try:
                TrainingConfig.model_validate({**training.model_dump(mode="json"), **values})
            except ValidationError as error:
                reason = error.errors()[0]["msg"].removeprefix("Value error, ")
                named = " with ".join(f"search.{key}.{place}" for key, place in tried.items())
                raise ValueError(f"{named} does not go with training: {reason}") from error

    def check_sizes(self, sizes: ImageSizes) -> None:
        """Whether every crop fits into the images.

        Raises:
          ValueError: one does not; the text begins with its key.
        """
        for place, crop in enumerate(self.crop or ()):
            if crop is not None and crop > sizes.resize:
                raise ValueError(
                    f"search.crop.{place} {crop} is larger than the side of training images, "
                    f"{sizes.resize}; give a smaller one, or a larger preprocessing.resize"
                )


def _plain(values: Any) -> Any:
    if isinstance(values, RateRange):
        return values
    return tuple(v.model_dump(mode="json") if isinstance(v, Section) else v for v in values)


def describe(values: Mapping[str, Any]) -> str:
    """One trial's values in a line."""
    return ", ".join(f"{key} {_text(value)}" for key, value in values.items())


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)
