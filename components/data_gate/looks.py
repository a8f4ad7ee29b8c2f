"""Classes and splits that differ in how their images are shown, and images of one colour.

A network learns what is easiest: where one class alone is cut out of its background, or was
photographed upright, it learns that.

    >>> import pyarrow as pa
    >>> table = pa.table({
    ...     "source": [f"{number}.png" for number in range(40)],
    ...     "label": [0] * 20 + [1] * 20,
    ...     "orientation": [1] * 40,
    ...     "transparent": [0.5] * 20 + [0.0] * 20,
    ...     "colour": [None] * 40,
    ... })
    >>> splits = looks_of_splits({"train": table}, background="#ffffff")
    >>> [check.subject for check in looks(splits, ("cut out", "photo"), "report")]
    ['train split', 'train split, transparency']
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.data_gate.checks import TRAIN, Check, percent, plural
from components.data_gate.config import Action

KEY = "data_gate.looks"
FAR = 0.2
"""Shares that are less apart are not reported."""
_ERRORS = 3.0
"""Standard errors that they are apart, at least: few images differ by chance."""
_FEW = 10
"""A class or a split with fewer images is not compared."""
_EXAMPLES = 3

_SAYS = {
    "transparent": ("transparent in part", "transparency"),
    "turned": ("turned", "orientation"),
}


@dataclass(frozen=True)
class SplitLooks:
    """The images of a split, in the order of its examples.

    Attributes:
      sources: where each came from (pyarrow, strings) [N].
      labels: class index [N].
      has: bool [N] by property, `transparent` and `turned`.
      plain: bool [N], those of which one colour is left on the background.
    """

    sources: Any
    labels: NDArray[np.int64]
    has: Mapping[str, NDArray[np.bool_]]
    plain: NDArray[np.bool_]


class _Share(NamedTuple):
    """A number of images, and how many there are in all."""

    images: int
    of: int

    @property
    def share(self) -> float:
        return self.images / self.of if self.of else 0.0

    def __str__(self) -> str:
        return f"{percent(self.share)} of {self.of:,}"


def looks_of_splits(tables: Mapping[str, Any], background: str) -> dict[str, SplitLooks]:
    """The columns of the image index that say how images are shown.

    Args:
      tables: `components.example_gen.index.read_index` by split.
      background: `#rrggbb` behind what is transparent.

    Returns:
      Nothing of an index that an earlier version wrote, without these columns.
    """
    found = {}
    for split, table in tables.items():
        if table["orientation"].null_count:
            continue
        transparent = table["transparent"].to_numpy() > 0
        # No colour means that there are several.
        colour = np.array(table["colour"].to_pylist(), object)
        vanishes = (colour == "") | (colour == background)
        found[split] = SplitLooks(
            sources=table["source"],
            labels=table["label"].to_numpy(),
            has={"transparent": transparent, "turned": table["orientation"].to_numpy() > 1},
            plain=np.array([each is not None for each in colour], bool) & (~transparent | vanishes),
        )
    return found


def looks(
    splits: Mapping[str, SplitLooks], class_names: Sequence[str], action: Action
) -> Iterator[Check]:
    """What images are transparent, turned or of one colour, and who differs in it.

    Args:
      splits: by name.
      class_names: names by class index.
      action: data_gate.looks, of classes and splits that differ; the rest is only reported.
    """
    for split, found in splits.items():
        yield from _counted(split, found)
    for name in _SAYS:
        if TRAIN in splits:
            yield from _classes(splits[TRAIN], name, class_names, action)
            yield from _splits(splits, name, action)


def _counted(split: str, found: SplitLooks) -> Iterator[Check]:
    whole, subject = len(found.labels), f"{split} split"
    if not whole:
        return
    transparent, turned = (int(found.has[name].sum()) for name in ("transparent", "turned"))
    says = (
        f"of the {whole:,} images of the {split} split {transparent:,} "
        f"{plural(transparent, 'is', 'are')} transparent in part and {turned:,} "
        f"{plural(turned, 'has', 'have')} an orientation that is followed"
    )
    yield Check(KEY, subject, True, False, None, None, says)
    places = np.flatnonzero(found.plain)
    if places.size:
        examples = ", ".join(found.sources[int(place)].as_py() for place in places[:_EXAMPLES])
        says = (
            f"{places.size:,} of the {whole:,} images of the {split} split "
            f"{plural(places.size, 'is', 'are')} of one colour: {examples}"
        ) + (", ..." if places.size > _EXAMPLES else "")
        subject = f"{split} split, one colour"
        yield Check(KEY, subject, False, False, int(places.size), None, says)


def _classes(
    train: SplitLooks, name: str, class_names: Sequence[str], action: Action
) -> Iterator[Check]:
    """The class that is farthest from all others in the train split, and how many are."""
    has = train.has[name]
    size = np.bincount(train.labels, minlength=len(class_names))
    held = np.bincount(train.labels[has], minlength=len(class_names))
    all_size, all_held = int(size.sum()), int(held.sum())
    far = []
    for label in np.flatnonzero(size):
        here = _Share(int(held[label]), int(size[label]))
        rest = _Share(all_held - here.images, all_size - here.of)
        if _apart(here, rest):
            far.append((abs(here.share - rest.share), class_names[label], here, rest))
    if far:
        value, which, here, rest = max(far, key=lambda each: each[0])
        more = (
            f"; {len(far) - 1:,} more {plural(len(far) - 1, 'class is', 'classes are')} far apart"
        )
        says = (
            f"class {which!r} differs in {_SAYS[name][1]}: {here} images of it in the train split "
            f"are {_SAYS[name][0]}, and {rest} images of the other classes"
        )
        yield _differs(
            f"train split, {_SAYS[name][1]}", value, says + more * (len(far) > 1), action
        )


def _splits(splits: Mapping[str, SplitLooks], name: str, action: Action) -> Iterator[Check]:
    train = _Share(int(splits[TRAIN].has[name].sum()), len(splits[TRAIN].labels))
    for split, found in splits.items():
        other = _Share(int(found.has[name].sum()), len(found.labels))
        if split != TRAIN and _apart(train, other):
            says = (
                f"the {split} split differs in {_SAYS[name][1]}: {other} images of it are "
                f"{_SAYS[name][0]}, and {train} images of the train split"
            )
            value = abs(train.share - other.share)
            yield _differs(f"{split} split, {_SAYS[name][1]}", value, says, action)


def _differs(subject: str, value: float, says: str, action: Action) -> Check:
    says += f"; a network can learn that alone ({KEY}: {action})"
    return Check(KEY, subject, False, action == "stop", value, FAR, says)


def _apart(one: _Share, other: _Share) -> bool:
    """Whether two shares are far apart, and not by chance (a test of two proportions)."""
    if min(one.of, other.of) < _FEW:
        return False
    pooled = (one.images + other.images) / (one.of + other.of)
    error = np.sqrt(pooled * (1 - pooled) * (1 / one.of + 1 / other.of))
    difference = abs(one.share - other.share)
    return bool(difference > FAR and difference > _ERRORS * error)
