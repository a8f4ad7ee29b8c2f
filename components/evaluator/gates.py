"""The gates as sentences: why a model was rejected."""

from __future__ import annotations

import math
from dataclasses import dataclass

from components.evaluator.config import EvaluationConfig


@dataclass(frozen=True)
class Gate:
    """One condition on a model.

    Attributes:
      key: where it is configured, `evaluation.min_accuracy`.
      value: the model's number; None where it could not be measured.
      limit: what `value` must reach.
      baseline: the last blessed model's number, for gates that compare.
    """

    key: str
    value: float | None
    limit: float
    baseline: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the number is there and reaches the limit; no number and NaN never pass."""
        return self.value is not None and not math.isnan(self.value) and self.value >= self.limit

    @property
    def sentence(self) -> str:
        """The gate with its numbers, as the user reads it."""
        if self.value is None or math.isnan(self.value):
            return f"accuracy could not be measured, which {self.key} needs"
        verb = "reaches" if self.passed else "is below"
        compared = ""
        if self.baseline is not None:
            compared = f" (the last blessed model has {number(self.baseline)})"
        return f"accuracy {number(self.value)} {verb} {self.key} {number(self.limit)}{compared}"


def number(value: float) -> str:
    """Four decimals, or as many as tell the number from its neighbours."""
    short = f"{value:.4f}"
    return short if abs(float(short) - value) < 1e-9 else f"{value:.6f}"


def judge(
    config: EvaluationConfig, accuracy: float | None, baseline_accuracy: float | None
) -> list[Gate]:
    """Every gate that applies; one that compares needs a baseline to compare with.

    The bounds are those of the EvalConfig, where TFMA applies them; this says them in words.
    """
    gates = []
    if config.min_accuracy is not None:
        gates.append(Gate("evaluation.min_accuracy", accuracy, config.min_accuracy))
    if config.max_regression is not None and baseline_accuracy is not None:
        limit = baseline_accuracy - config.max_regression
        gates.append(Gate("evaluation.max_regression", accuracy, limit, baseline_accuracy))
    return gates
