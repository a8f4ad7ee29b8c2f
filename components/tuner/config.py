"""The `search` section: what is tried, how often, and on how many images it is judged.

>>> config = SearchConfig(base_learning_rate=[0.003, 0.03], mode=["head_only", "full"])
>>> config.combinations, config.most_trials
(4, 4)
>>> describe({"base_learning_rate": 0.003, "mode": "full"})
'base_learning_rate 0.003, mode full'
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, Tag, ValidationError, field_validator, model_validator

from components.section import Section, union_by_type
from components.trainer.config import Schedule, TrainingConfig

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


Rates = Annotated[
    Annotated[tuple[Rate, ...], Field(strict=False), Tag("<list>")]
    | Annotated[RateRange, Tag("<range>")],
    union_by_type(
        {"<list>": (list, tuple), "<range>": (dict, RateRange)},
        "rates",
        "Input should be a list of rates, or `low` and `high`",
    ),
]


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
    schedule: Annotated[tuple[Schedule, ...], Field(strict=False)] | None = Field(
        None, description="Values for `training.schedule`: a list."
    )
    mode: Annotated[tuple[Literal["head_only", "full"], ...], Field(strict=False)] | None = Field(
        None, description="Values for `backbone.mode`: a list of head_only, full."
    )
    pruning: bool = Field(
        True,
        description="End a trial that is worse than the median of the earlier ones after as many "
        "steps (from the sixth trial on, and never while the rate still rises).",
    )

    @field_validator("base_learning_rate", "schedule", "mode")
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
                "there is nothing to choose: give base_learning_rate, schedule or mode more than "
                "one value"
            )
        return self

    @property
    def space(self) -> dict[str, RateRange | tuple[Any, ...]]:
        """What is searched, by key; values are plain, as in YAML."""
        given = {
            "base_learning_rate": self.base_learning_rate,
            "schedule": self.schedule,
            "mode": self.mode,
        }
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
        for place, schedule in enumerate(self.space.get("schedule", ())):
            values = {**training.model_dump(mode="json"), "schedule": schedule}
            try:
                TrainingConfig.model_validate(values)
            except ValidationError as error:
                reason = error.errors()[0]["msg"].removeprefix("Value error, ")
                raise ValueError(
                    f"search.schedule.{place} does not go with training: {reason}"
                ) from error


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
