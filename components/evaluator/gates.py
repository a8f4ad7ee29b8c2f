"""The gates: what a model must reach, as numbers and as sentences.

>>> config = EvaluationConfig(min_accuracy=0.9, max_regression=0.01)
>>> model, baseline = Measured(0.91, count=200), Measured(0.93, count=200)
>>> for gate in judge(config, {OVERALL: model}, {OVERALL: baseline}, class_names=()):
...     print(gate.passed, gate.sentence)
True accuracy 0.9100 reaches evaluation.min_accuracy 0.9000
False accuracy 0.9100 is below evaluation.max_regression 0.9200 (the baseline has 0.9300)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from components.evaluator.config import EvaluationConfig, SliceGate, limit_for
from components.transform.features import LABEL

Slice = tuple[str, str]
"""A feature and its value, both as text."""

TOLERANCE = 5e-7
"""For rounding: 0.8 - 0.1 is 0.7000000000000001."""

OVERALL: Slice = ("", "")

MEANS = {
    "balanced_accuracy": ("balanced accuracy", "MOVER"),
    "macro_f1": ("macro-F1", "bootstrap"),
}
"""Means over the classes by name: what a gate calls them, and the method of their interval."""
_METHODS = {f"evaluation.min_{name}": method for name, (_, method) in MEANS.items()}


@dataclass(frozen=True)
class Measured:
    """A metric with its 95 % interval and the images behind it.

    Attributes:
      value: None where it could not be measured; never NaN or infinite.
      lower: end of the interval; None where there is none.
      upper: end of the interval; None where there is none.
      count: of images.
    """

    value: float | None
    lower: float | None = None
    upper: float | None = None
    count: int = 0


Accuracies = Mapping[Slice, Measured]
"""Accuracy by slice; the overall one is at `OVERALL`."""


@dataclass(frozen=True)
class Gate:
    """One condition on a model, and whether it is met.

    Attributes:
      key: where it is configured, `evaluation.min_accuracy`.
      subject: what it looks at: `accuracy`, `accuracy of class 'rose'`.
      passed: whether the number is there and reaches the limit.
      value: the number that is compared; None where it could not be measured.
      limit: what `value` must reach; None where the baseline's number is missing.
      baseline: the baseline's number, for gates that compare.
      sentence: the gate with its numbers, as the user reads it.
      point: the metric itself where `value` is the lower end of its interval.
    """

    key: str
    subject: str
    passed: bool
    value: float | None
    limit: float | None
    baseline: float | None
    sentence: str
    point: float | None = None


def compare(
    key: str,
    subject: str,
    value: float | None,
    limit: float | None,
    baseline: float | None = None,
    point: float | None = None,
    missing: str = "",
) -> Gate:
    """The gate that `value` reaches `limit`; no number and NaN never pass.

    Args:
      key: where it is configured.
      subject: what it looks at.
      value: the number that is compared; None where it could not be measured.
      limit: what it must reach; None where the baseline's number is missing.
      baseline: the baseline's number, for gates that compare.
      point: the metric itself where `value` is the lower end of its interval.
      missing: why there is no number.
    """
    if value is None or limit is None or not math.isfinite(value + limit):
        why = f": {missing}" if missing else ""
        sentence = f"{subject} could not be measured, which {key} needs{why}"
        return Gate(key, subject, False, value, limit, baseline, sentence, point)
    passed = value >= limit - TOLERANCE
    verb = "reaches" if passed else "is below"
    measured = f"{subject} {number(value)}"
    if point is not None:
        method = _METHODS.get(key, "Wilson")
        measured = (
            f"the lower end {number(value)} of the 95 % interval ({method}) of {subject} "
            f"{number(point)}"
        )
    compared = f" (the baseline has {number(baseline)})" if baseline is not None else ""
    sentence = f"{measured} {verb} {key} {number(limit)}{compared}"
    return Gate(key, subject, passed, value, limit, baseline, sentence, point)


def number(value: float) -> str:
    """Four decimals, or six where four would show another number."""
    short = f"{value:.4f}"
    return short if abs(float(short) - value) < TOLERANCE else f"{value:.6f}"


def judge(
    config: EvaluationConfig,
    model: Accuracies,
    baseline: Accuracies | None,
    class_names: Sequence[str],
    not_finite: int = 0,
    means: Mapping[str, Measured] = MappingProxyType({}),
) -> list[Gate]:
    """Every gate that applies; one that compares needs a baseline to compare with.

    Args:
      config: the gates.
      model: the candidate's accuracies; slices without images are absent.
      baseline: the baseline's, on the same images; None where there is no baseline.
      class_names: names by class index.
      not_finite: images for which the model gave NaN or infinity, or no probability above 0; any
        is too many, because the class that it names for them means nothing.
      means: the candidate's means over the classes, by name.

    Returns:
      One gate or more: where no configured one applies, one that says so and does not pass.
    """
    gates = _Gates(config, model, baseline)
    found = list(
        gates.of("evaluation", OVERALL, "accuracy", config.min_accuracy, config.max_regression)
    )
    if config.above_chance:
        limit = _above_chance(model)
        found += gates.of("evaluation", OVERALL, "accuracy", limit, None, floor="above_chance")
    found += gates.of_means(means)
    for index, name in enumerate(class_names):
        found += gates.of(
            "evaluation",
            (LABEL, str(index)),
            f"accuracy of class {name!r}",
            limit_for(config.min_class_accuracy, name),
            limit_for(config.max_class_regression, name),
            floor="min_class_accuracy",
            change="max_class_regression",
        )
    for position, gate in enumerate(config.slices):
        for slice_ in _slices(gate, model):
            found += gates.of(
                f"evaluation.slices.{position}",
                slice_,
                f"accuracy where {slice_[0]} is {slice_[1] or 'anything'}",
                gate.min_accuracy,
                gate.max_regression,
            )
    if not_finite:
        says = f"the model gave {not_finite} images probabilities that are no finite numbers"
        found.append(Gate("evaluation", "probabilities", False, None, None, None, says))
    if not found:
        says = "no gate applies: there is nothing to compare with yet; give evaluation.min_accuracy"
        found.append(Gate("evaluation", "gates", False, None, None, None, says))
    return found


def _above_chance(model: Accuracies) -> float:
    """The least accuracy above that of naming the most frequent class for every image."""
    images = model.get(OVERALL, Measured(None)).count
    largest = max((each.count for key, each in model.items() if key[0] == LABEL), default=0)
    return min((largest + 1) / images, 1.0) if images else 1.0


def _slices(gate: SliceGate, model: Accuracies) -> Iterable[Slice]:
    if gate.value is not None:
        return [(gate.feature, str(gate.value))]
    # A feature that no image has is a slice without images.
    return sorted(key for key in model if key[0] == gate.feature) or [(gate.feature, "")]


@dataclass(frozen=True)
class _Gates:
    config: EvaluationConfig
    model: Accuracies
    baseline: Accuracies | None

    def of(
        self,
        section: str,
        slice_: Slice,
        subject: str,
        floor_limit: float | None,
        change_limit: float | None,
        floor: str = "min_accuracy",
        change: str = "max_regression",
    ) -> Iterator[Gate]:
        """The floor and the change of one slice, where they are configured."""
        nothing = Measured(None)
        measured = self.model.get(slice_, nothing)
        missing = "" if measured.count else f"no such image in the {self.config.split} split"
        if floor_limit is not None:
            yield self._floor(f"{section}.{floor}", subject, measured, floor_limit, missing)
        if change_limit is not None and self.baseline is not None:
            before = self.baseline.get(slice_, nothing).value
            limit = before - change_limit if before is not None and _known(before) else None
            yield compare(
                f"{section}.{change}", subject, measured.value, limit, before, missing=missing
            )

    def of_means(self, means: Mapping[str, Measured]) -> Iterator[Gate]:
        """The floors of the means over the classes, where they are configured."""
        for name, (subject, _) in MEANS.items():
            limit = getattr(self.config, f"min_{name}")
            if limit is None:
                continue
            measured = means.get(name, Measured(None))
            missing = "" if measured.count else f"no image in the {self.config.split} split"
            yield self._floor(f"evaluation.min_{name}", subject, measured, limit, missing)

    def _floor(
        self, key: str, subject: str, measured: Measured, limit: float, missing: str
    ) -> Gate:
        confident = self.config.confident
        value = measured.lower if confident else measured.value
        point = measured.value if confident else None
        return compare(key, subject, value, limit, point=point, missing=missing)


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
