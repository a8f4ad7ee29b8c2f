"""Reports images that no split takes, and slices that seem to lack a percent sign.

>>> slices = {"train": "train[:85]", "eval": "train[85:]"}
>>> runs = {"train": [Run("train", 0, 85)], "eval": [Run("train", 85, 3670)]}
>>> print(*unused(slices, runs, {"train": 3670}, "tf_flowers"))
train of tf_flowers has 3,670 images: data.splits.train 'train[:85]' takes 85 and ...
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from components.example_gen.sources.slices import Run, length, merged

_ENDS = re.compile(r"\[(-?\d*):(-?\d*)\]")
"""The ends of a slice in images."""


def unused(
    slices: Mapping[str, str],
    runs: Mapping[str, Sequence[Run]],
    counts: Mapping[str, int],
    full_name: str,
) -> Iterator[str]:
    """A sentence for each split of the source that has unused images.

    Args:
      slices: by split of ours.
      runs: of the slices.
      counts: images by split of the source.
      full_name: of the source.
    """
    for name, count in counts.items():
        taken = {split: number for split in runs if (number := _taken(name, runs[split]))}
        left = count - _taken(name, [run for of_split in runs.values() for run in of_split])
        if not taken:
            use = f"is read by no split ({count:,} images)" if count else "holds no image"
            yield f"{name} of {full_name} {use}."
        elif left or _is_upside_down(slices, taken, count):
            yield _cut(f"{name} of {full_name}", slices, taken, left, count)


def _cut(
    name: str, slices: Mapping[str, str], taken: Mapping[str, int], left: int, count: int
) -> str:
    takes = " and ".join(
        f"data.splits.{split} {slices[split]!r} takes {number:,}" for split, number in taken.items()
    )
    meant = next(filter(None, (_with_percent(slices[split], count) for split in taken)), "")
    rest = f"; {left:,} are in no split" if left else ""
    hint = f"; a number without % counts images: write {meant} for percent" if meant else ""
    return f"{name} has {count:,} images: {takes}{rest}{hint}."


def _taken(name: str, runs: Sequence[Run]) -> int:
    return length(merged(run for run in runs if run.split == name))


def _is_upside_down(slices: Mapping[str, str], taken: Mapping[str, int], count: int) -> bool:
    """Whether train gets fewer images than another split, by a number that may mean percent."""
    if "train" not in taken or not _with_percent(slices["train"], count):
        return False
    return any(number > taken["train"] for number in taken.values())


def _with_percent(slice_: str, count: int) -> str:
    """The slice with % added if its numbers may mean percent; otherwise empty.

    Args:
      slice_: in tfds's syntax.
      count: images of the split.
    """

    def percent(found: re.Match[str]) -> str:
        ends = [end for end in found.groups() if end]
        if not ends or any(abs(int(end)) > 100 for end in ends):
            return found[0]
        return "[" + ":".join(f"{end}%" if end else "" for end in found.groups()) + "]"

    # In a hundred images or fewer, a number of images is about its percent.
    meant = _ENDS.sub(percent, slice_) if count > 100 else slice_
    return meant if meant != slice_ else ""
