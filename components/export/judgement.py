"""Whether a conversion is the served model still: how far it agrees, and the run's own gates.

>>> from components.export.formats import FORMATS
>>> served = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
>>> agreement = compare(served, served[:, ::-1])
>>> agreement.same_class, round(agreement.greatest_difference, 6)
(0.0, 0.8)
>>> [gate.key for gate in agreement_gates(FORMATS["tflite"], agreement)]
['export.agreement', 'export.difference']
>>> agreement_gates(FORMATS["tflite"], agreement)[0].sentence
'the converted model names the class of the served one for 0.0000 of the images, and not 0.9000'
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.errors import UserError
from components.evaluator import intervals, ranking
from components.evaluator.class_means import class_means
from components.evaluator.config import EvaluationConfig
from components.evaluator.gates import MEANS, OVERALL, Gate, Measured, Slice, judge, number
from components.evaluator.prediction_table import rows_by_slice, tabulate
from components.evaluator.results import (
    ACCURACY,
    EXAMPLE_COUNT,
    LOSS,
    Metrics,
    accuracies,
    means_over_classes,
)
from components.export.formats import Format
from components.transform.features import NO_CLASS

_SUM_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Answers:
    """What both models say of the same images.

    Attributes:
      keys: N times the key of an image.
      labels: int64 [N].
      served: probabilities of the served model, float32 [N, C].
      converted: those of the converted one, float32 [N, C].
      left_out: why an image has no answer of the served model, by its key.
    """

    keys: Sequence[str]
    labels: NDArray[np.int64]
    served: NDArray[np.float32]
    converted: NDArray[np.float32]
    left_out: dict[str, str]


@dataclass(frozen=True)
class Agreement:
    """How far two models say the same of the same images.

    Attributes:
      images: how many.
      same_class: share of them that both give one class.
      greatest_difference: of a probability; None where one is no number.
      mean_difference: of the probabilities; None where one is no number.
    """

    images: int
    same_class: float
    greatest_difference: float | None
    mean_difference: float | None


def compare(served: NDArray[np.floating], converted: NDArray[np.floating]) -> Agreement:
    """Compares probabilities, both float [N, C]."""
    same = ranking.predicted_classes(served) == ranking.predicted_classes(converted)
    differences = np.abs(served.astype(np.float64) - converted)
    finite = bool(np.isfinite(differences).all())
    return Agreement(
        images=len(served),
        same_class=float(same.mean()),
        greatest_difference=float(differences.max()) if finite else None,
        mean_difference=float(differences.mean()) if finite else None,
    )


def answer_gates(format_: Format, probabilities: NDArray[np.floating]) -> list[Gate]:
    """That a converted model gives probabilities at all, float [N, C].

    Of 8-bit numbers they need not add up to 1: of many classes most are below 1/256.
    """
    bad = int((~np.isfinite(probabilities).all(axis=1)).sum())
    if bad:
        says = f"the converted model answers NaN or infinity for {bad} of {len(probabilities)}"
        return [_gate("answers", False, f"{says} images")]
    sums = probabilities.sum(axis=1)
    farthest = float(sums[np.abs(sums - 1).argmax()])
    wrong = abs(farthest - 1) > _SUM_TOLERANCE and format_.max_difference is not None
    if wrong or probabilities.min() < 0 or probabilities.max() > 1 + _SUM_TOLERANCE:
        says = "the converted model returns numbers that are not probabilities"
        return [_gate("answers", False, f"{says}: those of an image add up to {farthest:.4f}")]
    says = f"the converted model returns probabilities for all of {len(probabilities)} images"
    return [_gate("answers", True, says)]


def agreement_gates(format_: Format, agreement: Agreement) -> list[Gate]:
    """That it answers what the served model answers, as far as the format can."""
    share, least = agreement.same_class, format_.min_agreement
    passed = share >= least
    found = [
        _gate(
            "agreement",
            passed,
            "the converted model names the class of the served one for "
            f"{number(share)} of the images" + ("" if passed else f", and not {number(least)}"),
            share,
            least,
        )
    ]
    limit, greatest = format_.max_difference, agreement.greatest_difference
    if limit is not None:
        passed = greatest is not None and greatest <= limit
        said = "cannot be computed" if greatest is None else f"is {greatest:.2g}"
        more = f"at most {limit:g}" if passed else f"more than {limit:g}: it is a different model"
        sentence = f"the greatest difference of a probability {said}, {more}"
        found.append(_gate("difference", passed, sentence, greatest, limit))
    return found


def _gate(
    name: str,
    passed: bool,
    sentence: str,
    value: float | None = None,
    limit: float | None = None,
) -> Gate:
    return Gate(f"export.{name}", name, passed, value, limit, None, sentence)


def metrics_of(table: pa.Table) -> Metrics:
    """Accuracy and loss of every slice, and the means over the classes, as the Evaluator's.

    Args:
      table: of predictions (`components.evaluator.prediction_table.tabulate`).
    """
    right = table["label_rank"].to_numpy() == 0
    predicted = table["predicted"].to_numpy()
    losses = ranking.losses(table["label_probability"].to_numpy(), predicted)
    found: Metrics = {}
    for key, rows in rows_by_slice(table):
        count, mean = len(rows), float(losses[rows].mean())
        lower, upper = intervals.wilson(int(right[rows].sum()), count)
        found[key] = {
            EXAMPLE_COUNT: Measured(float(count), count=count),
            ACCURACY: Measured(float(right[rows].mean()), lower, upper, count),
            LOSS: Measured(mean if math.isfinite(mean) else None, count=count),
        }
    if found:
        found[OVERALL] |= class_means(table["label"].to_numpy(), predicted)
    return found


@dataclass(frozen=True)
class Judgement:
    """What was found about a conversion.

    Attributes:
      gates: all that were applied.
      served: metrics of the served model.
      converted: those of the converted one, on the same images.
      agreement: of the two.
    """

    gates: tuple[Gate, ...]
    served: Metrics
    converted: Metrics
    agreement: Agreement

    @property
    def rejected(self) -> list[str]:
        """Sentences of the gates that it fails."""
        return [gate.sentence for gate in self.gates if not gate.passed]


def judge_answers(
    format_: Format,
    evaluation: EvaluationConfig,
    answers: Answers,
    slices: Mapping[str, Sequence[Slice]],
    class_names: Sequence[str],
) -> Judgement:
    """Judges a conversion by what it and the served model answered.

    The gates are the run's own; the baseline is the served model, so that those on a change bound
    what a conversion may lose.

    Args:
      format_: of the conversion.
      evaluation: the gates.
      answers: of both.
      slices: of features that an image is in, by its key.
      class_names: names by class index.
    """
    of_images = [slices.get(key, []) for key in answers.keys]
    served, converted = (
        tabulate(answers.keys, answers.labels, probabilities, of_images)
        for probabilities in (answers.served, answers.converted)
    )
    before, after = metrics_of(served), metrics_of(converted)
    unanswered = int((converted["predicted"].to_numpy() == NO_CLASS).sum())
    agreement = compare(answers.served, answers.converted)
    gates = (
        *answer_gates(format_, answers.converted),
        *agreement_gates(format_, agreement),
        *judge(
            evaluation,
            accuracies(after),
            accuracies(before),
            class_names,
            unanswered,
            means_over_classes(after),
        ),
    )
    return Judgement(gates, before, after, agreement)


def evaluation_of_card(card: Mapping[str, Any], class_names: Sequence[str]) -> EvaluationConfig:
    """The gates that a model's card has, for a model whose run is not at hand.

    Those on slices are left out: a card does not say which image is in which.

    Args:
      card: `model_card.json`.
      class_names: names by class index.

    Raises:
      UserError: there is no such gate.
    """
    found: dict[str, Any] = {"split": card["split"]}
    for gate in card["gates"]:
        section, _, key = gate["key"].rpartition(".")
        limit, baseline = gate["limit"], gate["baseline"]
        if section != "evaluation" or limit is None:
            continue
        value = limit if baseline is None else max(baseline - limit, 0.0)
        found["confident"] = found.get("confident", False) or gate["point"] is not None
        if gate["subject"] in {ACCURACY, *(subject for subject, _ in MEANS.values())}:
            # The limit of above_chance follows from the images.
            found[key] = True if key == "above_chance" else value
        for name in class_names:
            if gate["subject"] == f"{ACCURACY} of class {name!r}":
                found.setdefault(key, {})[name] = value
    try:
        return EvaluationConfig.model_validate_json(json.dumps(found))
    except ValueError as error:
        raise UserError(
            "the model's card has no gate on all images or on a class: there is nothing to judge "
            "the conversion by."
        ) from error
