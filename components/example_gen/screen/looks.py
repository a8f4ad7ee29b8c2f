"""How an image looks, for the image index: perceptual hash, orientation, transparency, colour.

>>> import numpy as np
>>> from sklearn.datasets import load_sample_image
>>> flower = load_sample_image("flower.jpg")
>>> brighter = np.clip(flower * 1.1, 0, 255).astype(np.uint8)
>>> bin(phash(flower) ^ phash(brighter)).count("1") < 8
True
>>> bin(phash(flower) ^ phash(load_sample_image("china.jpg"))).count("1") > 20
True
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from components.example_gen.screen.pillow import open_image
from components.example_gen.screen.result import Looks
from components.transform.config import hex_of

_SAMPLES = 512
"""Pixels of a side that are looked at, at least; the hash is made from 32 x 32 means of them."""
_METADATA = (b"Exif\0\0", b"eXIf", b"tiff:Orientation", b"tRNS")
"""Every JPEG and PNG with an orientation or transparency has one of them, or is PNG with alpha."""
_PNG_COLOURS, _PNG_ALPHA = 25, (4, 6)
_ORIENTATION = 0x0112
_OPAQUE = 255
_STRIP = 1 << 20
"""Pixels that are processed at once: all of a large image would take 40 bytes each."""
_NEAR = 1
"""Levels by which pixels of one colour may differ once shown: the rounding of compositing."""


def phash(pixels: Any) -> int:
    """The pHash of `imagehash`, 64 bits: images that look alike differ in few of them.

    Args:
      pixels: uint8 [height, width, 3], a NumPy array.
    """
    import imagehash
    import numpy as np
    from PIL import Image

    rows, columns = (max(1, side // _SAMPLES) for side in pixels.shape[:2])
    few = pixels[rows // 2 :: rows, columns // 2 :: columns]
    bits = np.packbits(imagehash.phash(Image.fromarray(few)).hash)
    return int.from_bytes(bits.tobytes(), "big")


def looks_of(image: bytes, pixels: Any, orientation: int | None = None) -> Looks:
    """The orientation, transparency and colour of an image that can be decoded.

    Args:
      image: a JPEG, PNG, GIF or BMP.
      pixels: uint8 [height, width, 3] (np.ndarray), the image on white.
      orientation: of the image that it was converted from; None if it was not converted.
    """
    has_alpha, own_orientation = (False, 1) if _is_plain(image) else _marks(image)
    orientation = own_orientation if orientation is None else orientation
    share, colour = _transparency(image) if has_alpha else (0.0, None)
    return Looks(orientation, share, colour if share else _opaque_colour(pixels))


def pillow_orientation(image: bytes, kind: str) -> int:
    """The orientation of an image that Pillow has decoded, 1 to 8; 1 if it has none."""
    try:
        with open_image(image, kind) as picture:
            found = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # Pillow raises many types for damaged data.
        return 1
    return found if found in range(1, 9) else 1


def _is_plain(image: bytes) -> bool:
    """Whether an image surely has neither an orientation nor transparency."""
    if image.startswith(b"\x89PNG"):
        plain = image[_PNG_COLOURS] not in _PNG_ALPHA
    else:
        plain = image.startswith(b"\xff\xd8")
    return plain and not any(marker in image for marker in _METADATA)


@functools.cache
def _readers() -> tuple[Callable[[bytes], tuple[Any, Any]], Callable[[bytes], Any]]:
    """Two graphs: whether an image may have alpha and its orientation; a PNG as RGB and alpha."""
    import tensorflow as tf

    from components.transform.marks import ALPHA, read_marks

    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default(), tf.device("CPU:0"):
        encoded = v1.placeholder(tf.string, (1,))
        marks = read_marks(encoded)
        found = [tf.equal(marks.kind[0], ALPHA), marks.orientation[0]]
        pixels = tf.io.decode_png(encoded[0], channels=4)
    config = v1.ConfigProto(device_count={"GPU": 0}, inter_op_parallelism_threads=-1)
    session = v1.Session(graph=graph, config=config)
    calls = [session.make_callable(fetched, [encoded]) for fetched in (found, pixels)]
    return lambda image: calls[0]([image]), lambda image: calls[1]([image])


def _marks(image: bytes) -> tuple[bool, int]:
    """Whether it may be transparent, and its orientation, as the training decoder reads them."""
    has_alpha, orientation = _readers()[0](image)
    return bool(has_alpha), int(orientation)


def _opaque_colour(pixels: Any) -> str | None:
    first = pixels[0, 0]
    # Most images have two colours among a few pixels.
    few = pixels[:: max(1, len(pixels) // 8), :: max(1, pixels.shape[1] // 8)]
    if (few != first).any() or (pixels != first).any():
        return None
    return hex_of(first)


def _transparency(image: bytes) -> tuple[float, str | None]:
    """The share of a PNG's pixels that are not opaque, and the one colour of all visible pixels.

    The colour is None if there are several, and empty if nothing is visible.
    """
    import numpy as np

    pixels = _readers()[1](image)
    rows = max(1, _STRIP // pixels.shape[1])
    strips = [pixels[top : top + rows] for top in range(0, len(pixels), rows)]
    opaque = sum(int(np.count_nonzero(strip[..., 3] == _OPAQUE)) for strip in strips)
    share = 1.0 - opaque / (pixels.shape[0] * pixels.shape[1])
    strongest = max(strips, key=lambda strip: strip[..., 3].max())
    at = np.unravel_index(np.argmax(strongest[..., 3]), strongest.shape[:2])
    *colour, alpha = (int(level) for level in strongest[at])
    if not alpha:
        return share, ""
    return share, hex_of(colour) if all(_is_one(strip, colour) for strip in strips) else None


def _is_one(pixels: Any, colour: Sequence[int]) -> bool:
    """Whether RGB and alpha, uint8 [height, width, 4], show one colour and nothing else."""
    import numpy as np

    away = np.abs(pixels[..., :3] - np.asarray(colour, np.int16)).max(axis=2)
    return int((away.astype(np.int32) * pixels[..., 3]).max()) <= _NEAR * _OPAQUE
