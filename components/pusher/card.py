"""The content of a model card, as plain data (Mitchell et al. 2019, arXiv 1810.03993, section 4).

>>> settings = CardSettings(
...     pipeline="flowers", run_id="20261130-101500-000000", split="eval",
...     data=DataFacts(name="beans/0.1.0", splits={}, fingerprint="5f2a", class_names=("a", "b")),
...     preprocessing={"evaluate": 224},
...     backbone=BackboneFacts(handle="bit-mini", sha256="cb3d", licence="Apache-2.0", mode="full"),
...     code=CodeFacts(steps={}, image="", commit="", libraries={}), training={},
... )
>>> evidence = Evidence(
...     counts={"train": 85, "eval": 15}, history=[], trained={}, baseline={}, gates=[],
...     metrics={OVERALL: {"accuracy": Measured(0.9, lower=0.7, upper=0.97, count=15)}},
... )
>>> card = make_card(settings, evidence, version=1764497700, pushed="2026-11-30T10:15:00+00:00")
>>> print(card.limits[2])
It sees every image at 224 x 224 pixels, whatever its size and shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from components.evaluator.abstention import Abstention
from components.evaluator.gates import OVERALL, TOLERANCE, Gate, Measured, Slice
from components.evaluator.ranking import LEAST_PROBABILITY
from components.pusher.settings import BackboneFacts, CardSettings, CodeFacts, DataFacts
from components.signatures import signatures
from components.transform.features import LABEL

_COUNT = "example_count"

Figures = Mapping[Slice, Mapping[str, Measured]]
"""Metric by name, by slice."""


@dataclass(frozen=True)
class Evidence:
    """What the steps recorded about the model.

    Attributes:
      counts: examples by split.
      history: a row an epoch, as the Trainer writes it.
      trained: `mode`, `training`, `plan` and `base_model` as the Trainer writes them, with what a
        Tuner chose.
      metrics: the model's.
      baseline: the baseline's; {} where there was none.
      gates: as they were applied.
      clipped: images whose loss is clipped.
      abstention: what `min_confidence` does; None without it.
    """

    counts: Mapping[str, int]
    history: Sequence[Mapping[str, float | None]]
    trained: Mapping[str, Any]
    metrics: Figures
    baseline: Figures
    gates: Sequence[Gate]
    clipped: int = 0
    abstention: Abstention | None = None


@dataclass(frozen=True)
class Identity:
    """Which model it is; `pushed` is the time in UTC as ISO 8601."""

    name: str
    version: int
    run_id: str
    pushed: str


@dataclass(frozen=True)
class Call:
    """One signature: what its inputs and outputs hold, by name."""

    name: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


@dataclass(frozen=True)
class Hyperparameters:
    """The `training` section, what a Tuner chose over it, and the plan in plain numbers."""

    training: Mapping[str, Any]
    tuned: Mapping[str, Any]
    plan: Mapping[str, Any]


@dataclass(frozen=True)
class TrainingSummary:
    """The history in short.

    Attributes:
      epochs: how many were run.
      restored_epoch: whose weights the model has; None if the history does not show it.
      last: the last epoch's row; None in it for what was not finite.
    """

    epochs: int
    restored_epoch: int | None
    last: Mapping[str, float | None]


@dataclass(frozen=True)
class Judgement:
    """Figures of one model on the evaluation split.

    Attributes:
      images: how many were judged.
      overall: metric by name.
      per_class: the same by class; classes without images are absent.
      slices: the same by other slices, `image_side = 64`.
    """

    images: int
    overall: Mapping[str, Measured]
    per_class: Mapping[str, Mapping[str, Measured]]
    slices: Mapping[str, Mapping[str, Measured]]


@dataclass(frozen=True)
class ModelCard:
    """The whole card.

    Attributes:
      model: which one it is.
      intended_use: what it was made for, in sentences.
      limits: what is known to be unknown or bounded, in sentences.
      signatures: how it is called.
      data: what it learned from and was judged on.
      counts: examples by split.
      preprocessing: sizes and augmentation.
      backbone: what it is made of.
      base_model: folder of the earlier model whose weights it started from; None where it started
        from the backbone.
      hyperparameters: how it was trained.
      training: its epochs in short.
      calibration: the temperature and what it does (`components.trainer.calibration`); None where
        the logits are not divided.
      split: the split that was judged.
      metrics: of the model on that split.
      baseline_metrics: the same of the model before it; None where there was none.
      abstention: when it names no class; None where it always names one.
      gates: every gate that was applied.
      code: what ran.
    """

    model: Identity
    intended_use: tuple[str, ...]
    limits: tuple[str, ...]
    signatures: tuple[Call, ...]
    data: DataFacts
    counts: Mapping[str, int]
    preprocessing: Mapping[str, Any]
    backbone: BackboneFacts
    base_model: str | None
    hyperparameters: Hyperparameters
    training: TrainingSummary
    calibration: Mapping[str, Any] | None
    split: str
    metrics: Judgement
    baseline_metrics: Judgement | None
    abstention: Abstention | None
    gates: tuple[Gate, ...]
    code: CodeFacts


def make_card(settings: CardSettings, evidence: Evidence, version: int, pushed: str) -> ModelCard:
    """The card of a model that passed its gates.

    Args:
      settings: what is in no artifact.
      evidence: what the steps left.
      version: the number that it is pushed as.
      pushed: when, in UTC as ISO 8601.
    """
    training = _summary(evidence.history)
    mode = evidence.trained.get("mode", settings.backbone.mode)
    names = settings.data.class_names
    metrics = _judgement(evidence.metrics, names)
    return ModelCard(
        model=Identity(settings.pipeline, version, settings.run_id, pushed),
        intended_use=(
            f"Classifying images of the kind of {settings.data.name} by its {len(names)} classes.",
        ),
        limits=tuple(_limits(settings, evidence, training, metrics)),
        signatures=tuple(_calls(len(names), settings.preprocessing["evaluate"])),
        data=settings.data,
        counts=evidence.counts,
        preprocessing=settings.preprocessing,
        backbone=settings.backbone.model_copy(update={"mode": mode}),
        base_model=evidence.trained.get("base_model"),
        hyperparameters=Hyperparameters(
            settings.training, _tuned(settings, evidence.trained), evidence.trained.get("plan", {})
        ),
        training=training,
        calibration=_in_numbers(evidence.trained.get("calibration")),
        split=settings.split,
        metrics=metrics,
        baseline_metrics=_judgement(evidence.baseline, names) if evidence.baseline else None,
        abstention=evidence.abstention,
        gates=tuple(evidence.gates),
        code=settings.code,
    )


def _in_numbers(calibration: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Without the curves, which the report draws."""
    if calibration is None:
        return None
    return {key: value for key, value in calibration.items() if key not in ("before", "after")}


def _calls(classes: int, side: int) -> Iterator[Call]:
    for each in signatures(classes, side):
        inputs, outputs = (
            {name: tensor.text for name, tensor in tensors.items()}
            for tensors in (each.inputs, each.outputs)
        )
        yield Call(each.name, inputs, outputs)


def _summary(history: Sequence[Mapping[str, float | None]]) -> TrainingSummary:
    restored = [int(row["epoch"] or 0) for row in history if row.get("restored")]
    return TrainingSummary(
        epochs=len(history),
        restored_epoch=restored[0] if restored else None,
        last=history[-1] if history else {},
    )


def _judgement(figures: Figures, class_names: Sequence[str]) -> Judgement:
    overall = figures.get(OVERALL, {})
    return Judgement(
        images=max((each.count for each in overall.values()), default=0),
        overall=_metrics(overall),
        per_class={
            name: _metrics(figures[LABEL, str(index)])
            for index, name in enumerate(class_names)
            if (LABEL, str(index)) in figures
        },
        slices={
            f"{key[0]} = {key[1]}": _metrics(values)
            for key, values in sorted(figures.items())
            if key != OVERALL and key[0] != LABEL
        },
    )


def _metrics(values: Mapping[str, Measured]) -> dict[str, Measured]:
    """Without the number of images, which every one of them has beside it."""
    return {name: _honest(each) for name, each in sorted(values.items()) if name != _COUNT}


def _honest(measured: Measured) -> Measured:
    """Without an interval that has no width, which would look like certainty."""
    lower, upper = measured.lower, measured.upper
    if lower is None or upper is None or upper - lower > TOLERANCE:
        return measured
    return replace(measured, lower=None, upper=None)


def _tuned(settings: CardSettings, trained: Mapping[str, Any]) -> dict[str, Any]:
    """What was trained with and is not in the configuration: a Tuner chose it."""
    training = trained.get("training", {})
    chosen = {key: value for key, value in training.items() if value != settings.training.get(key)}
    mode = trained.get("mode", settings.backbone.mode)
    return chosen | ({} if mode == settings.backbone.mode else {"mode": mode})


def _limits(
    settings: CardSettings, evidence: Evidence, training: TrainingSummary, metrics: Judgement
) -> list[str]:
    """Only what follows from the run's own record."""
    data, split, counts = settings.data, settings.split, evidence.counts
    # Without early stopping nothing is chosen: the last weights are taken.
    chosen = evidence.trained.get("plan", {}).get("patience") is not None
    found = [
        f"It knows only the {len(data.class_names)} classes of {data.name}, and names one of them "
        "for every image.",
        f"It was trained on {counts['train']:,} images and evaluated on {metrics.images:,}, all "
        f"of {data.name}; its accuracy on images from elsewhere was not measured.",
        f"It sees every image at {settings.preprocessing['evaluate']} x "
        f"{settings.preprocessing['evaluate']} pixels, whatever its size and shape.",
    ]
    if split == "train":
        found.append("It was evaluated on the images that it was trained on.")
    elif chosen and split == "eval" and training.restored_epoch is not None and training.epochs > 1:
        found.append(
            f"Its weights are those of epoch {training.restored_epoch} of {training.epochs}, "
            "chosen by the accuracy on the eval split, which was used for evaluation too: its "
            "accuracy may be lower on images that were not used to choose the epoch."
        )
    calibration = evidence.trained.get("calibration")
    if calibration and calibration["temperature"] != 1.0 and split == "eval":
        found.append(
            f"Its temperature {calibration['temperature']:.4g} was fitted on the eval split, which "
            "was used for evaluation too: its loss may be higher on images that were not used to "
            "fit it."
        )
    if evidence.clipped:
        least = f"{LEAST_PROBABILITY:g}"
        found.append(
            f"In the loss a probability below {least} counts as {least}, here of "
            f"{evidence.clipped:,} of the {metrics.images:,} images: it may be worse."
        )
    unseen = [name for name in data.class_names if name not in metrics.per_class]
    if unseen:
        found.append(
            f"The {split} split has no image of {len(unseen)} of its classes: its accuracy on them "
            "was not measured."
        )
    return found
