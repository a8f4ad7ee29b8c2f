"""The images that training reads first: as they are stored, and as the network sees them.

>>> from components.trainer.cache import CachedSplit
>>> from components.trainer.input_pipeline import cached_split
>>> from components.transform.config import ImageSizes
>>> settings = PicturesSettings(
...     class_names=("daisy", "rose"),
...     sizes=ImageSizes(resize=32, crop=None, evaluate=32, flip=False),
...     batch_size=2, shuffle_buffer=2, seed=42, mixup=0.0,
... )
>>> split = cached_split(CachedSplit(np.ones((2, 32, 32, 3), np.float32), np.array([0, 1])))
>>> sorted(tile.caption[0].text for tile in trained_on(split, settings, count=2))
['daisy', 'rose']
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from components.pictures.grid import Line, Tile
from components.pictures.settings import PicturesSettings
from components.trainer.hyperrule import mixup_alpha
from components.trainer.input_pipeline import Draws, Split, seed_tensorflow, train_batches
from components.transform.features import IMAGE, LABEL
from components.transform.pixels import decoder

_READ_AHEAD_BYTES = 1 << 28
_SHOWN_SHARE = 0.005
"""A part of a blend that is smaller than this reads as 0 %."""


def stored(split: Split, settings: PicturesSettings, count: int) -> list[Tile]:
    """The first images of the first step as they are stored, upright, with their sizes.

    Args:
      split: the train split (`stored_split`).
      settings: how it is drawn from.
      count: how many, at most.
    """
    undrawn = replace(_draws(split, settings), sizes=None, mixup=0.0)
    tiles = []
    for encoded, label in _first(replace(split, fetch=_as_stored), undrawn, count):
        image = decoder(settings.background)(encoded)
        height, width = image.shape[:2]
        size = Line(f"{width} \N{MULTIPLICATION SIGN} {height} px")
        tiles.append(Tile(image, (Line(settings.class_names[label]), size)))
    return tiles


def trained_on(split: Split, settings: PicturesSettings, count: int) -> list[Tile]:
    """The same images as the network sees them: through the transform graph and augmented."""
    tiles = []
    for pixels, label in _first(split, _draws(split, settings), count):
        image = np.clip(np.rint(pixels * 255.0), 0, 255).astype(np.uint8)
        tiles.append(Tile(image, tuple(_classes(label, settings.class_names))))
    return tiles


def _draws(split: Split, settings: PicturesSettings) -> Draws:
    return Draws(
        batch_size=settings.batch_size,
        shuffle_buffer=settings.shuffle_buffer,
        seed=settings.seed,
        sizes=settings.sizes,
        mixup=mixup_alpha(settings.mixup, split.count),
        num_classes=len(settings.class_names),
        augmentation=settings.augmentation,
    )


def _first(split: Split, draws: Draws, count: int) -> Iterator[tuple[Any, Any]]:
    """Image by image, none of them twice."""
    seed_tensorflow(draws.seed)
    options = tf.data.Options()
    # A batch can be a gigabyte, and the second one is not looked at.
    options.autotune.ram_budget = _READ_AHEAD_BYTES
    batches = train_batches(split, draws).with_options(options)
    yield from batches.unbatch().take(min(count, split.count)).as_numpy_iterator()


def _as_stored(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    wanted = {
        IMAGE: tf.io.FixedLenFeature([], tf.string),
        LABEL: tf.io.FixedLenFeature([], tf.int64),
    }
    features = tf.io.parse_example(serialized, wanted)
    return features[IMAGE], features[LABEL]


def _classes(label: np.ndarray, names: tuple[str, ...]) -> Iterator[Line]:
    """The class, or those that MixUp blended with their shares, the larger one first."""
    if label.ndim == 0:
        yield Line(names[label])
        return
    for index in np.argsort(-label, kind="stable")[:2]:
        if label[index] >= _SHOWN_SHARE:
            yield Line(names[index], f"{label[index]:.0%}".replace("%", " %"))
