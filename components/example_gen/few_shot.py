"""K examples of every class: which records of the train split, told by positions and a seed alone.

Every record has a key, the hash of the seed and its position in the split; of each class the K
records of smallest keys are drawn. Whoever reads the shards, and in whatever order, finds the same.
A larger K draws the examples of a smaller one, and more.
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
"""Index of a shard, and of a record among those that it takes."""

Candidate = tuple[str, Place]
"""A record's key, by which candidates are sorted, and its place."""

_NAMED = 10


def order_key(seed: int, position: int) -> str:
    """Where a record comes in the order of the draw: SHA-256, as hex."""
    return hashlib.sha256(f"{seed}:{position}".encode()).hexdigest()


def with_starts(shards: Sequence[Shard]) -> list[tuple[int, Shard]]:
    """Each shard of a split with the position in the split of its first record."""
    ordered = sorted(shards, key=lambda shard: shard.index)
    starts = itertools.accumulate((shard.take for shard in ordered), initial=0)
    return list(zip(starts, ordered, strict=False))


def candidates(
    start: int, shard: Shard, labels: Iterable[int], seed: int, classes: int
) -> Iterator[tuple[int, Candidate]]:
    """(label, (key, place)) of each record; one whose label is no class is never drawn.

    Args:
      start: the position in the split of the shard's first record.
      shard: where the records are.
      labels: of its records in their order.
      seed: of the draw.
      classes: how many there are.

    Raises:
      RuntimeError: the shard has fewer records than it says.
    """
    read = 0
    for label in labels:
        if 0 <= label < classes:
            yield label, (order_key(seed, start + read), (shard.index, read))
        read += 1
    if read != shard.take:
        raise RuntimeError(
            f"split {shard.split}: {shard.path} has {read} records where the data set says that it "
            f"holds {shard.take}; its files are damaged. Prepare the data set again."
        )


def smallest(
    found: Iterable[tuple[int, Candidate]], wanted: int
) -> Iterator[tuple[int, Candidate]]:
    """Of each label the `wanted` candidates of smallest keys, in memory for two times as many."""
    kept = defaultdict[int, list[Candidate]](list)
    for label, candidate in found:
        of_label = kept[label]
        of_label.append(candidate)
        if len(of_label) >= 2 * wanted:
            kept[label] = heapq.nsmallest(wanted, of_label)
    for label, of_label in kept.items():
        yield from ((label, candidate) for candidate in heapq.nsmallest(wanted, of_label))


def only_drawn(shards: Sequence[Shard], places: Iterable[Place]) -> list[Shard]:
    """The shards of a split that have records at these places, with those records alone."""
    drawn = defaultdict(list)
    for index, record in places:
        drawn[index].append(record)
    return [
        replace(shard, drawn=tuple(sorted(drawn[shard.index])))
        for shard in shards
        if shard.index in drawn
    ]


def numbered(shards: Sequence[Shard]) -> list[Shard]:
    """The shards of a split, numbered anew."""
    return [replace(shard, index=index, count=len(shards)) for index, shard in enumerate(shards)]


def first_passing(
    found: Mapping[int, Sequence[Place]], passing: Container[Place], wanted: int
) -> dict[int, list[Place]]:
    """Of each label the places up to the one with which `wanted` pass; all where fewer do.

    Args:
      found: places in the order of the draw, by label.
      passing: those of records that pass the screen.
      wanted: how many of each label should.
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
    """Holds that every class has as many as it should.

    Args:
      drawn: at most `wanted` places of each class; one without any may be left out.
      wanted: how many each should have.
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
            f"{more}; draw fewer, or from a larger slice."
        )
