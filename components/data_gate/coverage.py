"""Whether every class that trains is judged, and whether the splits are slices of ordered data.

Data that are stored class by class, cut into slices one after another, give splits of which each
holds some classes only: a model can be blessed for the one class that it was judged on.

    >>> labels = np.repeat([0, 1], 50)
    >>> splits = {"train": labels[:85], "eval": labels[85:]}
    >>> order_of(splits).by_class
    True
    >>> interleaved(splits, "eval", {"train": "train[:85%]", "eval": "train[85%:]"})["eval"]
    'train[16%:20%]+train[36%:40%]+train[56%:60%]+train[76%:80%]+train[96%:100%]'
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.data_gate.checks import TRAIN, Check, named, plural
from components.data_gate.config import Action

KEY = "data_gate.missing_classes"
ORDER_KEY = "data.splits"

_FAR = 4.0
"""Runs that are this many standard deviations fewer than of shuffled images are no chance."""
_BLOCKS = (5, 10, 20)
"""Numbers of blocks that are tried for the slices to suggest."""
_HEAD = re.compile(r"(\w+)\[:(\d+)%\]")
_TAIL = re.compile(r"(\w+)\[(\d+)%:\]")
_NEAR = 0.05
"""How far the share of a split may be from its percents: the screen sets some images aside."""

Labels = Mapping[str, NDArray[np.int64]]
"""Class index of every image in the order of the data [N], by split."""


@dataclass(frozen=True)
class Order:
    """The order of the images by class, over all splits one after another.

    Attributes:
      images: how many there are.
      runs: how many stretches of one class they make.
      shuffled: how many they would make on average in a random order.
      deviation: the standard deviation of that.
    """

    images: int
    runs: int
    shuffled: float
    deviation: float

    @property
    def by_class(self) -> bool:
        """Whether classes are stored together."""
        fewer = self.shuffled - self.runs
        return self.runs < self.shuffled / 2 and fewer > _FAR * self.deviation


def order_of(labels: Labels) -> Order:
    """The runs test for several kinds (Barton and David 1957, Biometrika 44:168).

    Over all splits together: one that holds a single class shows nothing by itself.

    Args:
      labels: of every split.
    """
    # Sliced one after another, train is mostly the first.
    found = np.concatenate([labels[split] for split in sorted(labels, key=lambda s: s != TRAIN)])
    count = len(found)
    if count < 2:
        return Order(count, count, float(count), 0.0)
    runs = 1 + int((found[1:] != found[:-1]).sum())
    sizes = np.unique(found, return_counts=True)[1].astype(np.float64)
    squares, cubes = (sizes**2).sum(), (sizes**3).sum()
    shuffled = (count * (count + 1) - squares) / count
    variance = (squares * (squares + count * (count + 1)) - 2 * count * cubes - count**3) / (
        count * count * (count - 1)
    )
    return Order(count, runs, float(shuffled), math.sqrt(max(float(variance), 0.0)))


def ordered_slices(labels: Labels, slices: Mapping[str, str], class_names: Sequence[str]) -> Check:
    """Whether a split is one slice of data that are stored class by class; it never stops a run.

    Args:
      labels: of every split.
      slices: by split, `data.splits`.
      class_names: names by class index.
    """
    order = order_of(labels)
    # Several blocks joined by + are how such data are cut rightly.
    cut = {
        split: slice_
        for split, slice_ in slices.items()
        if "[" in slice_ and "+" not in slice_ and split in labels
    }
    ordered = order.by_class and bool(cut)
    says = (
        f"the {order.images:,} images form {order.runs:,} runs of one class; a shuffled order has "
        f"{order.shuffled:,.0f} on average"
    )
    if ordered:
        total = len(class_names)
        held = ", ".join(
            f"{split} {slice_!r} holds {np.unique(labels[split]).size:,} of {total:,} classes"
            for split, slice_ in cut.items()
        )
        says = f"slices of data that are stored class by class: {held}; {says} ({ORDER_KEY})"
    return Check(ORDER_KEY, "stored class by class", not ordered, False, order.runs, None, says)


def missing_classes(
    labels: Labels,
    judged: str,
    slices: Mapping[str, str],
    class_names: Sequence[str],
    action: Action,
) -> Iterator[Check]:
    """Whether every class that has images is in the train and in the evaluation split.

    A class without any image is only reported: no model can learn it, and none is judged on it.

    Args:
      labels: of every split.
      judged: the split that models are judged on.
      slices: by split, `data.splits`.
      class_names: names by class index.
      action: data_gate.missing_classes.
    """
    classes = len(class_names)
    anywhere = sum(np.bincount(each, minlength=classes) for each in labels.values())
    nowhere = [class_names[index] for index in np.flatnonzero(anywhere == 0)]
    matters = {
        TRAIN: "A class that is evaluated but never trained on is always wrong",
        judged: "The model can fail on a class that is never evaluated, and still pass the gates",
    }
    for split, why in matters.items():
        if not labels[split].size:
            # `checks.rejects` stops for it.
            continue
        of_split = np.bincount(labels[split], minlength=classes)
        missing = np.flatnonzero((of_split == 0) & (anywhere > 0))
        says = f"each of the {classes:,} classes has an image in the {split} split"
        if missing.size:
            says = (
                f"{missing.size:,} of the {classes:,} classes "
                f"{plural(missing.size, 'has', 'have')} no image in the {split} split: "
                f"{named([class_names[index] for index in missing])} ({KEY}: {action}). {why}. "
                f"{_cure(labels, judged, slices)}"
            )
        elif nowhere:
            says = f"each class that has images has one in the {split} split"
        stops = action == "stop"
        yield Check(KEY, f"{split} split", not missing.size, stops, int(missing.size), 0, says)
    if nowhere:
        says = (
            f"{len(nowhere):,} of the {classes:,} classes {plural(len(nowhere), 'has', 'have')} no "
            f"image in any split: {named(nowhere)} ({KEY} does not stop for that)"
        )
        yield Check(KEY, "all splits", False, False, len(nowhere), 0, says)


def _cure(labels: Labels, judged: str, slices: Mapping[str, str]) -> str:
    """The commonest cause, and what to type."""
    report = f"To run anyway, add --set {KEY}=report"
    order = order_of(labels)
    if not order.by_class:
        return f"Add images of them, or take a larger slice. {report}"
    cause = (
        f"The data are stored class by class ({order.images:,} images in {order.runs:,} runs), so "
        "that consecutive slices hold different classes"
    )
    blocks = interleaved(labels, judged, slices)
    if blocks:
        typed = " ".join(f"--set data.splits.{split}='{each}'" for split, each in blocks.items())
        return f"{cause}: add {typed}. {report}"
    return f"{cause}: shuffle the records when they are written. {report}"


def interleaved(labels: Labels, judged: str, slices: Mapping[str, str]) -> dict[str, str]:
    """Slices of the same split of the source, a block after another, that hold every class.

    Args:
      labels: of every split.
      judged: the split that models are judged on.
      slices: by split, `data.splits`.

    Returns:
      `data.splits` by split; {} where twenty blocks are too few, or the splits are not the head and
      the tail of one split of the source, as `train[:85%]` and `train[85%:]` are.
    """
    if set(slices) != {TRAIN, judged}:
        return {}
    for head, tail in ((TRAIN, judged), (judged, TRAIN)):
        begins, ends = _HEAD.fullmatch(slices[head]), _TAIL.fullmatch(slices[tail])
        if begins and ends and begins.groups() == ends.groups():
            whole = np.concatenate([labels[head], labels[tail]])
            share = len(labels[head]) / max(len(whole), 1)
            # A draw has fewer images, which do not show where a class is.
            near = abs(share - int(begins[2]) / 100) < _NEAR
            return _blocks_of(begins[1], whole, judged) if near else {}
    return {}


def _blocks_of(source: str, whole: NDArray[np.int64], judged: str) -> dict[str, str]:
    classes = set(whole.tolist())
    for blocks in _BLOCKS:
        size = 100 // blocks
        # The last fifth of each block is judged.
        starts = range(0, 100, size)
        parts = {
            TRAIN: [(start, start + size - size // 5) for start in starts],
            judged: [(start + size - size // 5, start + size) for start in starts],
        }
        if all(_classes_in(whole, part) == classes for part in parts.values()):
            return {split: _written(source, part) for split, part in parts.items()}
    return {}


def _classes_in(whole: NDArray[np.int64], part: Sequence[tuple[int, int]]) -> set[int]:
    """The classes in these percents of the data."""
    edges = [(round(len(whole) * a / 100), round(len(whole) * b / 100)) for a, b in part]
    return set(itertools.chain.from_iterable(whole[a:b].tolist() for a, b in edges))


def _written(source: str, part: Sequence[tuple[int, int]]) -> str:
    return "+".join(f"{source}[{a}%:{b}%]" for a, b in part)
