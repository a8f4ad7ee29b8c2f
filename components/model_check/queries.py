"""What a model is asked: images of the evaluation split, every accepted format, and a bad image.

>>> import io
>>> file = io.BytesIO()
>>> Image.effect_noise((48, 32), 64).convert("RGB").save(file, "JPEG")
>>> [query.format for query in every_format(file.getvalue())]
['PNG', 'JPEG', 'GIF', 'BMP']
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BAD_IMAGE = b"\xff\xd8\xff\xe0 this is no image"
BATCHES = (1, 7, 64)
"""Images of a request."""

_QUALITY = 95
_MAX_SIDE = 1_024
"""Larger images are made smaller: a query shall not cost more than an image does."""


@dataclass(frozen=True)
class Query:
    """An image in one of the accepted formats, and its pixels as Pillow decodes it.

    Attributes:
      format: Pillow's name of it.
      image: encoded.
      pixels: uint8 [height, width, 3].
    """

    format: str
    image: bytes
    pixels: NDArray[np.uint8]


def every_format(image: bytes) -> Iterator[Query]:
    """An image in each of the accepted formats.

    Args:
      image: one that Pillow and the model can decode, in any of them.
    """
    with Image.open(io.BytesIO(image)) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((_MAX_SIDE, _MAX_SIDE))
    # A GIF has a palette: greys are in it without a loss.
    by_format = {"PNG": picture, "JPEG": picture, "GIF": picture.convert("L"), "BMP": picture}
    for name, content in by_format.items():
        file = io.BytesIO()
        options: dict[str, Any] = {"quality": _QUALITY} if name == "JPEG" else {}
        content.save(file, name, **options)
        with Image.open(io.BytesIO(file.getvalue())) as again:
            yield Query(name, file.getvalue(), np.asarray(again.convert("RGB")))


def synthetic_images(count: int, side: int, seed: int = 0) -> list[bytes]:
    """Images that show nothing, for warm-up requests: what is served must hold nobody's picture.

    Args:
      count: how many; the formats take turns.
      side: in pixels.
      seed: of the noise.
    """
    random = np.random.default_rng(seed)
    images: list[bytes] = []
    while len(images) < count:
        coarse = random.integers(0, 256, (8, 8, 3), np.uint8)
        picture = Image.fromarray(coarse).resize((side, side), Image.Resampling.BILINEAR)
        file = io.BytesIO()
        picture.save(file, "PNG")
        images += [query.image for query in every_format(file.getvalue())]
    return images[:count]


def write_arrays(path: Path, records: Sequence[bytes], queries: Sequence[Query]) -> None:
    """Writes what the asking process reads: serialized tf.Examples and queries, without pickle."""
    arrays: dict[str, Any] = {
        f"record_{index}": np.frombuffer(record, np.uint8) for index, record in enumerate(records)
    }
    for query in queries:
        arrays[f"image_{query.format}"] = np.frombuffer(query.image, np.uint8)
        arrays[f"pixels_{query.format}"] = query.pixels
    np.savez(path, **arrays)


def read_arrays(path: Path) -> tuple[list[bytes], list[Query]]:
    """Reads what `write_arrays` wrote, in its order."""
    with np.load(path) as arrays:
        records = [arrays[name].tobytes() for name in arrays.files if name.startswith("record_")]
        queries = [
            Query(
                name.removeprefix("image_"),
                arrays[name].tobytes(),
                arrays[name.replace("image", "pixels", 1)],
            )
            for name in arrays.files
            if name.startswith("image_")
        ]
    return records, queries
