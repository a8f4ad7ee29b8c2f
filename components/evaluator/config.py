"""The `evaluation` section: metrics and gates."""

from __future__ import annotations

from pydantic import Field, model_validator

from components.section import Section


class EvaluationConfig(Section):
    """What a model must reach to be pushed."""

    min_accuracy: float | None = Field(
        None, ge=0, le=1, description="Floor of the accuracy on the eval split."
    )
    max_regression: float | None = Field(
        None,
        ge=0,
        le=1,
        description="How far the accuracy may fall below the last blessed model's. The first "
        "model has none to compare with: give min_accuracy too.",
    )
    top_k: int = Field(5, ge=2, description="k of the top-k accuracy; at most classes - 1 is used.")

    @model_validator(mode="after")
    def _some_gate(self) -> EvaluationConfig:
        if self.min_accuracy is None and self.max_regression is None:
            raise ValueError(
                "no gate: give min_accuracy or max_regression, or every model would be pushed"
            )
        return self
