"""Which images a report shows, and their thumbnails.

>>> labels, predicted = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 0])
>>> choose(labels, predicted, np.array([0.9, 0.6, 0.7, 0.8]))  # The surest mistake is row 3.
[3, 1, 2, 0]
"""

from __future__ import annotations

import hashlib
import heapq
import io
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from components.evaluator.prediction_table import example_key
from components.report.content import Picture
from components.transform.config import WHITE, Colour
from components.transform.features import NO_CLASS

SIDE = 96
"""Longer side of a thumbnail in pixels, at most."""

MISTAKES = 24
SAMPLES = 25
PER_CELL = 12
LIMIT = 600
"""Pictures on a page, at most: at 96 px some 2 MB."""

_SAMPLED_FROM = 2_000


@dataclass
class Album:
    """The pictures of a page, and who shows which, by position."""

    pictures: list[Picture] = field(default_factory=list)
    samples: tuple[int, ...] = ()
    mistakes: tuple[int, ...] = ()
    cells: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)


def choose(labels: np.ndarray, predicted: np.ndarray, probability: np.ndarray) -> list[int]:
    """Rows of predictions to show: the surest mistakes, then some of every confusion, then hits.

    Args:
      labels: int64 [N].
      predicted: int64 [N].
      probability: float32 [N], of the predicted class.

    Returns:
      At most `LIMIT` row numbers; the surest mistakes come first.
    """
    surest = np.argsort(-probability, kind="stable")
    wrong = [int(row) for row in surest if labels[row] != predicted[row]]
    right = [int(row) for row in surest[::-1] if labels[row] == predicted[row]]
    chosen = dict.fromkeys(wrong[:MISTAKES])
    held: dict[tuple[int, int], int] = defaultdict(int)
    for row in [*wrong, *right]:
        cell = (int(labels[row]), int(predicted[row]))
        if held[cell] < PER_CELL and len(chosen) < LIMIT:
            chosen[row] = None
        held[cell] += 1
    return list(chosen)


Sources = Callable[[set[bytes]], Mapping[bytes, str]]
"""Where images came from, by the SHA-256 of the encoded image; those that are known."""


def make_album(
    table: Any,
    evaluated: Iterable[bytes],
    trained: Iterable[bytes],
    sources: Sources,
    background: Colour = WHITE,
) -> Album:
    """Finds the chosen images among the records and makes their thumbnails.

    Args:
      table: pyarrow table of `components.evaluator.predictions.SCHEMA`.
      evaluated: serialized tf.Examples of the evaluation split.
      trained: serialized tf.Examples of the train split; some are shown as samples.
      sources: of the images of the evaluation split.
      background: RGB behind what is transparent.
    """
    album = Album()
    columns = {name: table[name].to_numpy() for name in table.column_names[:5]}
    rows = choose(columns["label"], columns["predicted"], columns["probability"])
    images = _find({columns["example"][row] for row in rows}, evaluated)
    digests = {key: hashlib.sha256(image).digest() for key, image in images.items()}
    known = sources(set(digests.values()))
    cells: dict[tuple[int, int], list[int]] = defaultdict(list)
    mistakes: list[int] = []
    for row in rows:
        label, predicted = int(columns["label"][row]), int(columns["predicted"][row])
        key = columns["example"][row]
        position = len(album.pictures)
        album.pictures.append(
            Picture(
                image=thumbnail(images.get(key, b""), background),
                true=label,
                predicted=None if predicted == NO_CLASS else predicted,
                probability=float(columns["probability"][row]),
                true_probability=float(columns["label_probability"][row]),
                source=known.get(digests.get(key, b""), ""),
            )
        )
        if predicted != NO_CLASS:
            cells[label, predicted].append(position)
        if label != predicted and len(mistakes) < MISTAKES:
            mistakes.append(position)
    album.mistakes = tuple(mistakes)
    album.cells = {cell: tuple(positions) for cell, positions in cells.items()}
    first = len(album.pictures)
    album.pictures += [
        Picture(thumbnail(image, background), label) for image, label in _sample(trained)
    ]
    album.samples = tuple(range(first, len(album.pictures)))
    return album


def thumbnail(encoded: bytes, background: Colour = WHITE) -> bytes:
    """A small JPEG of an encoded image as the network sees it, a PNG of a tiny one.

    Empty where it cannot be decoded.
    """
    import tensorflow as tf
    from PIL import Image

    from components.transform.pixels import decoder

    try:
        small = Image.fromarray(decoder(background)(encoded))
    except tf.errors.InvalidArgumentError:
        return b""
    tiny = max(small.size) <= SIDE // 2
    small.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    if tiny:
        small.save(out, "PNG", optimize=True)
    else:
        small.save(out, "JPEG", quality=80)
    return out.getvalue()


def _find(keys: set[str], serialized: Iterable[bytes]) -> dict[str, bytes]:
    """Encoded images of the records with these keys."""
    found: dict[str, bytes] = {}
    for record in serialized:
        if len(found) == len(keys):
            break
        key = example_key(record)
        if key in keys:
            found[key] = _image_and_label(record)[0]
    return found


def _sample(serialized: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Some records, the same whenever the data are the same, and not just the first."""
    head = itertools.islice(serialized, _SAMPLED_FROM)
    for record in heapq.nsmallest(SAMPLES, head, key=example_key):
        yield _image_and_label(record)


def _image_and_label(record: bytes) -> tuple[bytes, int]:
    import tensorflow as tf

    features = tf.train.Example.FromString(record).features.feature
    return features["image"].bytes_list.value[0], int(features["label"].int64_list.value[0])
