"""The `evaluation` section: what is measured, and the gates.

>>> config = EvaluationConfig(min_accuracy=0.9, min_class_accuracy={"rose": 0.8})
>>> config.classes_named()
{'rose': 'evaluation.min_class_accuracy'}
>>> limit_for(config.min_class_accuracy, "rose"), limit_for(config.min_class_accuracy, "daisy")
(0.8, None)
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from components.section import Names, Ratio, Section

_Named = Annotated[dict[str, Ratio], Field(min_length=1)]
RatioByClass = Annotated[
    Annotated[Ratio, Tag("<number>")] | Annotated[_Named, Tag("<mapping>")],
    Discriminator(lambda value: "<mapping>" if isinstance(value, dict) else "<number>"),
]
"""One number for every class, or a number for each class that is named."""


class SliceGate(Section):
    """Gates on the images that share a value of a feature."""

    feature: str = Field(
        min_length=1,
        description="`image_side`, which Transform makes (the shorter side in pixels, rounded down "
        "to a power of two), or a feature that the data set has beside `image` and `label`.",
    )
    value: str | int | None = Field(
        None, description="The value; null holds for every value that the split has."
    )
    min_accuracy: Ratio | None = Field(None, description="Floor of the accuracy on the slice.")
    max_regression: Ratio | None = Field(
        None, description="How far it may fall below the baseline's on the slice."
    )

    @model_validator(mode="after")
    def _some_gate(self) -> SliceGate:
        if self.min_accuracy is None and self.max_regression is None:
            raise ValueError("no gate: give min_accuracy or max_regression")
        return self


class EvaluationConfig(Section):
    """What a model must reach to be pushed."""

    split: Literal["eval", "test", "train"] = Field(
        "eval",
        description="The evaluation split: models are evaluated on it. `test` needs "
        "data.splits.test; training computes its validation accuracy on `eval` in any case.",
    )
    min_accuracy: Ratio | None = Field(None, description="Floor of the accuracy on the split.")
    above_chance: bool = Field(
        False,
        description="Whether the accuracy must be above that of naming the most frequent class of "
        "the split for every image.",
    )
    max_regression: Ratio | None = Field(
        None,
        description="How far the accuracy may fall below the baseline's. The first model has no "
        "baseline: give min_accuracy too.",
    )
    min_class_accuracy: RatioByClass | None = Field(
        None,
        description="Floor of the accuracy on the images of each class (its recall): one number, "
        "or `{class name: number}`.",
    )
    max_class_regression: RatioByClass | None = Field(
        None,
        description="How far the accuracy on the images of each class may fall below the "
        "baseline's: one number, or `{class name: number}`.",
    )
    min_balanced_accuracy: Ratio | None = Field(
        None,
        description="Floor of the balanced accuracy on the split: the mean of the recalls of the "
        "classes that have images in it.",
    )
    min_macro_f1: Ratio | None = Field(
        None,
        description="Floor of the macro-F1 on the split: the mean of the F1 scores of the classes "
        "that have images in it or were predicted.",
    )
    slices: Annotated[tuple[SliceGate, ...], Field(strict=False)] = Field(
        (), description="Gates on slices by other features."
    )
    baseline: Literal["last_blessed", "best_blessed"] = Field(
        "last_blessed",
        description="The model that a new one is compared with: the serving one (or, if that is "
        "the new model itself, the one that served before), or the most accurate that ever served, "
        "as measured on the same evaluation data.",
    )
    missing_baseline: Literal["floor", "stop"] = Field(
        "floor",
        description="What to do if the files of the baseline, or of the model that a warm start "
        "begins from, are damaged and no intact copy is left: go on without it, with a warning, or "
        "stop.",
    )
    confident: bool = Field(
        False,
        description="Whether the lower end of a metric's 95 % interval (Wilson's of an accuracy), "
        "and not the metric, must clear the floors.",
    )
    top_k: int = Field(5, ge=2, description="k of the top-k accuracy; at most classes - 1 is used.")
    batch_size: int = Field(
        64, ge=1, description="Images in a batch: TFMA's own grow to 1,000 and exhaust memory."
    )

    @model_validator(mode="before")
    @classmethod
    def _intervals_went(cls, values: Any) -> Any:
        if isinstance(values, dict) and "intervals" in values:
            raise ValueError(
                "`intervals` is no longer a key: every metric has its 95 % interval, Wilson's for "
                "shares of images and a bootstrap for the loss; leave evaluation.intervals out"
            )
        return values

    @model_validator(mode="after")
    def _some_gate(self) -> EvaluationConfig:
        floors = (
            *(self.min_accuracy, self.min_class_accuracy),
            *(self.min_balanced_accuracy, self.min_macro_f1),
        )
        changes = (self.max_regression, self.max_class_regression)
        others = self.slices or self.above_chance
        if all(gate is None for gate in floors + changes) and not others:
            raise ValueError(
                "no gate: give min_accuracy or max_regression, or every model would be pushed"
            )
        return self

    def classes_named(self) -> dict[str, str]:
        """Class name -> the key that names it."""
        return {
            name: f"evaluation.{key}"
            for key in ("min_class_accuracy", "max_class_regression")
            if isinstance(value := getattr(self, key), dict)
            for name in value
        }


class EvaluatorSettings(Section):
    """The gates, and what they are applied to.

    Attributes:
      evaluation: the section of the configuration.
      class_names: names by class index.
      evaluation_data: digest of the evaluation split; models are compared on the same data alone.
    """

    evaluation: EvaluationConfig
    class_names: Names
    evaluation_data: str


def limit_for(limits: Any, class_name: str) -> float | None:
    """The number that a `RatioByClass` gives a class; None for none."""
    return limits.get(class_name) if isinstance(limits, dict) else limits
