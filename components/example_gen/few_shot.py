"""Which K records of each class to draw from the train split, from positions and a seed alone.

Every record has a key, the hash of the seed and its position in the split; the K records of each
class with the smallest keys are drawn. The draw does not depend on which worker reads which shard,
or when. A larger K draws the examples of a smaller one, and more.

    >>> from components.example_gen.sources.folder_shard import FolderShard
    >>> labels = (0, 0, 1, 1, 1, 0)
    >>> shard = FolderShard("train", 0, 1, "/photos", skip=0, take=6, classes=labels)
    >>> found = candidates(0, shard, shard.labels(), seed=42, classes=2)
    >>> [(label, place) for label, (key, place) in smallest(found, wanted=1)]
    [(0, (0, 1)), (1, (0, 4))]
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from components.errors import UserError
from components.example_gen.sources.shard import Shard

Place = tuple[int, int]
"""Index of a shard, and of a record in the shard."""

Candidate = tuple[str, Place]
"""A record's key, by which candidates are sorted, and its place."""

_NAMED = 10


def order_key(seed: int, position: int) -> str:
    """The key by which the draw sorts a record: SHA-256 as hex."""
    return hashlib.sha256(f"{seed}:{position}".encode()).hexdigest()


def with_starts(shards: Sequence[Shard]) -> list[tuple[int, Shard]]:
    """Each shard of a split, with the position of its first record in the split."""
    ordered = sorted(shards, key=lambda shard: shard.index)
    starts = itertools.accumulate((shard.take for shard in ordered), initial=0)
    return list(zip(starts, ordered, strict=False))


def candidates(
    start: int, shard: Shard, labels: Iterable[int], seed: int, classes: int
) -> Iterator[tuple[int, Candidate]]:
    """(label, (key, place)) of each record; one with an invalid label is never drawn.

    Args:
      start: position of the shard's first record in the split.
      shard: the shard.
      labels: of its records, in their order.
      seed: of the draw.
      classes: how many there are.

    Raises:
      RuntimeError: the shard has another number of records than `take`.
    """
    read = 0
    for label in labels:
        if 0 <= label < classes:
            yield label, (order_key(seed, start + read), (shard.index, read))
        read += 1
    if read != shard.take:
        raise RuntimeError(
            f"split {shard.split}: {read} records were read from {shard.path}, but the data set "
            f"has {shard.take} there; its files are damaged. Prepare the data set again."
        )


def smallest(
    found: Iterable[tuple[int, Candidate]], wanted: int
) -> Iterator[tuple[int, Candidate]]:
    """The `wanted` candidates of each label with the smallest keys; holds twice as many at most."""
    found_by_label = defaultdict[int, list[Candidate]](list)
    for label, candidate in found:
        of_label = found_by_label[label]
        of_label.append(candidate)
        if len(of_label) >= 2 * wanted:
            found_by_label[label] = heapq.nsmallest(wanted, of_label)
    for label, of_label in found_by_label.items():
        yield from ((label, candidate) for candidate in heapq.nsmallest(wanted, of_label))


def only_drawn(shards: Sequence[Shard], places: Iterable[Place]) -> list[Shard]:
    """The shards that have records at these places, restricted to those records."""
    drawn = defaultdict(list)
    for index, record in places:
        drawn[index].append(record)
    return [
        replace(shard, drawn=tuple(sorted(drawn[shard.index])))
        for shard in shards
        if shard.index in drawn
    ]


def numbered(shards: Sequence[Shard]) -> list[Shard]:
    """The shards of a split, renumbered."""
    return [replace(shard, index=index, count=len(shards)) for index, shard in enumerate(shards)]


def first_passing(
    found: Mapping[int, Sequence[Place]], passing: Container[Place], wanted: int
) -> dict[int, list[Place]]:
    """The places of each label up to the `wanted`-th that passes; all if fewer pass.

    Args:
      found: places in the order of the draw, by label.
      passing: places of the records that pass the screen.
      wanted: how many of each label should pass.
    """
    drawn = {}
    for label, places in found.items():
        passed = itertools.accumulate(place in passing for place in places)
        last = next((n for n, count in enumerate(passed) if count == wanted), len(places))
        drawn[label] = list(places[: last + 1])
    return drawn


def check_enough(
    drawn: Mapping[int, Sequence[Place]], wanted: int, class_names: Sequence[str], where: str
) -> None:
    """Checks that every class has enough examples.

    Args:
      drawn: at most `wanted` places of each class; a class without any may be absent.
      wanted: how many each class should have.
      class_names: names by class index.
      where: the slice, as an error names it.

    Raises:
      UserError: a class has fewer.
    """
    counts = {name: len(drawn.get(label, ())) for label, name in enumerate(class_names)}
    short = [f"{name!r} has {count}" for name, count in counts.items() if count < wanted]
    if short:
        more = f" and {len(short) - _NAMED} more have too few" if len(short) > _NAMED else ""
        raise UserError(
            f"data.examples_per_class {wanted}: in {where}, class {', '.join(short[:_NAMED])}"
            f"{more}. Set a smaller number, or give a larger slice."
        )
