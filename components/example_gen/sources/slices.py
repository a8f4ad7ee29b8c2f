"""Resolves slices in tfds's syntax to runs of records, and checks that splits do not overlap.

>>> splits = split_infos({"train": [60, 40]})
>>> runs_of("train[:85%]", splits)
(Run(split='train', begin=0, end=85),)
>>> settle({"train": "train[:85%]", "eval": "train[80%:]"}, splits, "digits")
Traceback (most recent call last):
...
components.errors.UserError: data.splits.train 'train[:85%]' and data.splits.eval ...
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from components.errors import UserError

_NAME = re.compile(r"[\w-]+")
"""A split name that tfds's syntax allows."""
_STAND_IN = "split"


class Run(NamedTuple):
    """Consecutive records of a split of the source.

    Attributes:
      split: name of the source's split.
      begin: position of the first record.
      end: position after the last record.
    """

    split: str
    begin: int
    end: int


def split_infos(
    shard_lengths: Mapping[str, Sequence[int]], num_bytes: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """tfds.core.SplitInfo by name, from the number of records in each file of a split.

    Args:
      shard_lengths: records of each file, by split.
      num_bytes: of all files, by split; 0 where nobody asks for it.
    """
    import tensorflow_datasets as tfds

    sizes = num_bytes or {}
    return {
        name: tfds.core.SplitInfo(
            name=name, shard_lengths=list(lengths), num_bytes=sizes.get(name, 0)
        )
        for name, lengths in shard_lengths.items()
    }


def mean_bytes(split: Any) -> float:
    """Bytes of a record of a split (tfds.core.SplitInfo), on average; 0 if nobody knows."""
    return split.num_bytes / split.num_examples


def runs_of(slice_: str, splits: Mapping[str, Any]) -> tuple[Run, ...]:
    """The records of a slice, in its order; empty pieces are left out.

    tfds's own file instructions read `train[5:4]` as `train[5:]`; here it is empty.

    Args:
      slice_: in the syntax of https://www.tensorflow.org/datasets/splits.
      splits: tfds.core.SplitInfo by name.

    Raises:
      ValueError: it is not a slice, or its split or records do not exist.
    """
    import tensorflow_datasets as tfds

    # A folder's name may contain characters that the syntax does not allow.
    whole = list(splits) if slice_ == "all" else [slice_] if slice_ in splits else []
    if whole:
        runs = (Run(name, 0, splits[name].num_examples) for name in whole)
        return tuple(run for run in runs if run.end)
    name, bracket, rest = slice_.partition("[")
    if name in splits and not _NAME.fullmatch(name) and "[" not in rest:
        cut = runs_of(f"{_STAND_IN}{bracket}{rest}", {_STAND_IN: splits[name]})
        return tuple(run._replace(split=name) for run in cut)
    try:
        pieces = tfds.core.ReadInstruction.from_spec(slice_).to_absolute(dict(splits))
    except (NotImplementedError, KeyError, AssertionError) as error:
        raise ValueError(str(error)) from error
    found = []
    for piece in pieces:
        end = splits[piece.splitname].num_examples if piece.to is None else piece.to
        found.append(Run(piece.splitname, piece.from_ or 0, end))
    return tuple(run for run in found if run.begin < run.end)


def settle(
    slices: Mapping[str, str], splits: Mapping[str, Any], full_name: str
) -> dict[str, tuple[Run, ...]]:
    """The runs of each of our splits; no record is in two of them.

    Args:
      slices: by split, `data.splits`.
      splits: tfds.core.SplitInfo of the source, by name.
      full_name: name of the source, for errors.

    Raises:
      UserError: a slice is invalid or empty, or two share a record.
    """
    found = {}
    for split, slice_ in slices.items():
        key = f"data.splits.{split} {slice_!r}"
        try:
            found[split] = runs_of(slice_, splits)
        except ValueError as error:
            known = ", ".join(sorted(splits))
            raise UserError(f"{key}: {first_lines(error, 1)} {full_name} has: {known}.") from error
        if not found[split]:
            raise UserError(f"{key} selects no record of {full_name}.")
    check_apart(slices, found, full_name)
    return found


def check_apart(
    slices: Mapping[str, str], runs: Mapping[str, Sequence[Run]], full_name: str
) -> None:
    """Checks that no record is in two splits: a model would be evaluated on its training data.

    Raises:
      UserError: two slices share records; the message says how many.
    """
    for one, other in itertools.combinations(slices, 2):
        shared = sum(
            max(0, min(a.end, b.end) - max(a.begin, b.begin))
            for a, b in itertools.product(merged(runs[one]), merged(runs[other]))
            if a.split == b.split
        )
        if shared:
            raise UserError(
                f"data.splits.{one} {slices[one]!r} and data.splits.{other} {slices[other]!r} "
                f"share {shared:,} records of {full_name}. Change them so that they do not overlap."
            )


def check_once(slice_: str, runs: Sequence[Run]) -> None:
    """Checks that no record is in the train split twice, because it could be drawn twice.

    Raises:
      UserError: a record is.
    """
    if length(merged(runs)) < length(runs):
        raise UserError(
            f"data.splits.train {slice_!r} takes some records twice, which data.examples_per_class "
            "does not allow. Change it so that its parts do not overlap."
        )


def first_lines(error: Exception, lines: int = 4) -> str:
    """The first lines of an error's message, joined and ending like a sentence."""
    text = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    shown = " ".join(text[:lines]) or type(error).__name__
    return shown if shown.endswith((".", "!", "?")) else shown + "."


def length(runs: Iterable[Run]) -> int:
    """The number of records; one that is in several runs counts several times."""
    return sum(run.end - run.begin for run in runs)


def merged(runs: Iterable[Run]) -> list[Run]:
    """The same records without duplicates, as sorted runs."""
    found: list[Run] = []
    for run in sorted(runs):
        last = found[-1] if found else None
        if last and last.split == run.split and run.begin <= last.end:
            found[-1] = last._replace(end=max(last.end, run.end))
        else:
            found.append(run)
    return found
