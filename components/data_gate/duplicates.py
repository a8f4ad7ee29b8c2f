"""Images that are in the data more than once: byte for byte, or to the eye.

>>> hashes = np.array([0b0000, 0b1111], np.uint64)
>>> match_within(hashes, np.array([0b1110, 0b1100], np.uint64), distance=1).tolist()
[1, -1]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.data_gate.checks import TRAIN, Check, plural
from components.data_gate.config import Action

_HASH_BITS = 64
_EXAMPLES = 3
"""Most images that a sentence names."""
_PAIRS = 1 << 22
"""Pairs of hashes that are compared at a time."""
_SAMPLE = 10_000
"""Hashes that are sampled to find which bits differ."""
_ONES = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)


@dataclass(frozen=True)
class Images:
    """The images of a split, in the order of its examples.

    Attributes:
      sources: where each came from (pyarrow, strings) [N].
      labels: class index [N].
      contents: a number for each content [N]: the same in every split for the same bytes.
      hashes: perceptual hash [N].
    """

    sources: Any
    labels: NDArray[np.int64]
    contents: NDArray[np.int64]
    hashes: NDArray[np.uint64]

    @cached_property
    def each_content(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Each content once, sorted, and its first place."""
        return np.unique(self.contents, return_index=True)

    @cached_property
    def each_hash(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Each hash once, sorted, and its first place."""
        return np.unique(self.hashes, return_index=True)


def images_of(tables: Mapping[str, Any]) -> dict[str, Images]:
    """The image index as arrays.

    Args:
      tables: `components.example_gen.index.read_index` by split.
    """
    import pyarrow as pa

    digests = pa.concat_tables([table.select(["sha256"]) for table in tables.values()])
    numbers = digests["sha256"].combine_chunks().dictionary_encode().indices.to_numpy()
    found, start = {}, 0
    for split, table in tables.items():
        found[split] = Images(
            sources=table["source"],
            labels=table["label"].to_numpy(),
            contents=numbers[start : start + len(table)].astype(np.int64),
            hashes=table["phash"].to_numpy(),
        )
        start += len(table)
    return found


def duplicates(
    images: Mapping[str, Images], class_names: Sequence[str], action: Action
) -> Iterator[Check]:
    """The same bytes in two splits, twice in train, and under two classes.

    Args:
      images: by split.
      class_names: names by class index.
      action: data_gate.duplicates; what is inside the train split alone is only reported.
    """
    key, train = "data_gate.duplicates", images[TRAIN]
    for pair in _across(images):
        known, first = pair.first.each_content
        other = pair.second
        twice = np.flatnonzero(np.isin(other.contents, known))
        originals = first[np.searchsorted(known, other.contents[twice[:_EXAMPLES]])]
        says = f"no image of the {pair.name} split is in the {pair.first_name} split too"
        if twice.size:
            says = (
                f"{twice.size:,} of the {len(other.contents):,} images of the {pair.name} split "
                f"{plural(twice.size, 'is', 'are')} in the {pair.first_name} split too, byte for "
                f"byte: {_pairs(other, twice, pair.first, originals, 'is')} ({key}: {action})"
            )
        stops = action == "stop"
        yield Check(key, pair.subject, not twice.size, stops, int(twice.size), 0, says)
    copies = len(train.contents) - train.each_content[0].size
    says = f"train split: {copies:,} {plural(copies, 'copy', 'copies')} of other images in it"
    yield Check(key, "train split", not copies, False, copies, None, says)
    yield _two_classes(images, class_names, key)


def _two_classes(images: Mapping[str, Images], class_names: Sequence[str], key: str) -> Check:
    """The same bytes under more than one class: one of the labels is wrong."""
    contents = np.concatenate([of_split.contents for of_split in images.values()])
    labels = np.concatenate([of_split.labels for of_split in images.values()])
    pairs, first = np.unique(contents * len(class_names) + labels, return_index=True)
    # Sorted by content: its second label follows its first one.
    again = np.flatnonzero(np.diff(pairs // len(class_names)) == 0)
    disputed = int(np.unique(pairs[again] // len(class_names)).size)
    says = "no image is in the data under two classes"
    if disputed:
        named = [
            " and ".join(_labelled(images, int(first[i]), class_names) for i in (place, place + 1))
            for place in again[:_EXAMPLES]
        ]
        says = (
            f"{disputed:,} {plural(disputed, 'image is', 'images are')} in the data under more "
            f"than one class, byte for byte the same: {_listed(named, disputed)}; one label of "
            "each is wrong"
        )
    return Check(key, "labels", not disputed, False, disputed, None, says)


def _labelled(images: Mapping[str, Images], place: int, class_names: Sequence[str]) -> str:
    """The image at a place of all splits in a row, with its split and class."""
    for split, found in images.items():
        if place < len(found.contents):
            return f"{split} {found.sources[place].as_py()} ({class_names[found.labels[place]]!r})"
        place -= len(found.contents)
    raise IndexError(place)


def near_duplicates(images: Mapping[str, Images], distance: int, action: Action) -> Iterator[Check]:
    """Images that look like one of another split; exact duplicates are not among them.

    Args:
      images: by split.
      distance: bits in which two perceptual hashes may differ.
      action: data_gate.near_duplicates.
    """
    key = "data_gate.near_duplicates"
    for pair in _across(images):
        hashes, first = pair.first.each_hash
        other = pair.second
        rest = np.flatnonzero(~np.isin(other.contents, pair.first.contents))
        wanted, places = np.unique(other.hashes[rest], return_inverse=True)
        match = match_within(hashes, wanted, distance)[places]
        near, originals = rest[match >= 0], first[match[match >= 0][:_EXAMPLES]]
        says = f"no image of the {pair.name} split looks like one of the {pair.first_name} split"
        if near.size:
            says = (
                f"{near.size:,} of the {len(other.contents):,} images of the {pair.name} split "
                f"{plural(near.size, 'looks', 'look')} like one of the {pair.first_name} split "
                f"(perceptual hashes within {distance} of {_HASH_BITS} bits): "
                f"{_pairs(other, near, pair.first, originals, 'like')} ({key}: {action})"
            )
        stops = action == "stop"
        yield Check(key, pair.subject, not near.size, stops, int(near.size), 0, says)


def match_within(
    hashes: NDArray[np.uint64], wanted: NDArray[np.uint64], distance: int
) -> NDArray[np.int64]:
    """For each of `wanted` [M] the index of a hash within a Hamming distance, or -1 [M]; exact.

    By the pigeonhole principle, two hashes within the distance agree in three of distance + 3
    bands. For any three bands, sorting finds the hashes that agree; three have 31 bits or more, so
    that few agree by chance (with one band of 16 bits, all images with a blank border would).

    Args:
      hashes: sorted, each once [N].
      wanted: what is looked for [M].
      distance: in bits, 3 at most.
    """
    found = np.full(len(wanted), -1, np.int64)
    if not len(hashes):
        return found
    place = np.minimum(np.searchsorted(hashes, wanted), len(hashes) - 1)
    same = hashes[place] == wanted
    found[same] = place[same]
    for three in combinations(_bands(hashes, distance + 3), 3) if distance else ():
        mask = np.bitwise_or.reduce(np.array(three, np.uint64))
        _match_on(mask, hashes, wanted, distance, found)
    return found


def _bands(hashes: NDArray[np.uint64], count: int) -> list[int]:
    """Masks that deal the bits of a hash into bands, each with its share of those that differ."""
    some = hashes[:: len(hashes) // _SAMPLE + 1]
    shares = [np.mean(some >> np.uint64(bit) & np.uint64(1)) for bit in range(_HASH_BITS)]
    telling = np.argsort(np.abs(np.array(shares) - 0.5), kind="stable").tolist()
    return [sum(1 << bit for bit in telling[band::count]) for band in range(count)]


def _match_on(
    mask: np.uint64,
    hashes: NDArray[np.uint64],
    wanted: NDArray[np.uint64],
    distance: int,
    found: NDArray[np.int64],
) -> None:
    """Enters into `found` the matches among pairs that agree in the bits of a mask."""
    masked = hashes & mask
    order = np.argsort(masked, kind="stable")
    masked = masked[order]
    pending = np.flatnonzero(found < 0)
    start = np.searchsorted(masked, wanted[pending] & mask, side="left")
    sizes = np.searchsorted(masked, wanted[pending] & mask, side="right") - start
    pending, start, sizes = pending[sizes > 0], start[sizes > 0], sizes[sizes > 0]
    ends = np.cumsum(sizes)
    for low in range(0, int(ends[-1]) if len(ends) else 0, _PAIRS):
        # All pairs in a row, cut into pieces that fit into memory.
        pair = np.arange(low, min(low + _PAIRS, int(ends[-1])))
        of = np.searchsorted(ends, pair, side="right")
        index = order[start[of] + pair - (ends[of] - sizes[of])]
        close = _ones(hashes[index] ^ wanted[pending[of]]) <= distance
        found[pending[of[close]]] = index[close]


def _ones(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Bits set in each word."""
    # numpy.bitwise_count is new in NumPy 2.
    return _ONES[words.view(np.uint8).reshape(-1, 8)].sum(axis=1, dtype=np.int64)


class _Pair(NamedTuple):
    """Two splits that should have no image in common; copies are looked for in the second."""

    first_name: str
    first: Images
    name: str
    second: Images

    @property
    def subject(self) -> str:
        """What a check of them looks at."""
        if self.first_name == TRAIN:
            return f"{self.name} split"
        return f"{self.name} and {self.first_name} splits"


def _across(images: Mapping[str, Images]) -> Iterator[_Pair]:
    """Every two splits, those with train first."""
    ordered = sorted(images.items(), key=lambda item: item[0] != TRAIN)
    return (_Pair(*first, *second) for first, second in combinations(ordered, 2))


def _pairs(
    other: Images,
    places: NDArray[np.int64],
    train: Images,
    originals: NDArray[np.int64],
    verb: str,
) -> str:
    pairs = zip(places[:_EXAMPLES], originals, strict=True)
    named = [
        f"{other.sources[int(place)].as_py()} {verb} {train.sources[int(original)].as_py()}"
        for place, original in pairs
    ]
    return _listed(named, len(places))


def _listed(named: Sequence[str], count: int) -> str:
    more = count - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more > 0 else "")
