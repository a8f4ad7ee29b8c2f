"""What the image index says of how an image is shown: its orientation, transparency and colour."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from components.example_gen.screen.result import Looks
from components.transform.config import hex_of

_SAID = (b"Exif\0\0", b"eXIf", b"tiff:Orientation", b"tRNS")
"""One of them is in every JPEG and PNG that has something to say, but for a PNG with alpha."""
_PNG_COLOURS, _PNG_ALPHA = 25, (4, 6)
_ORIENTATION = 0x0112
_OPAQUE = 255
_STRIP = 1 << 20
"""Pixels that are looked at once: all of a large image would take 40 bytes each."""
_NEAR = 1
"""Levels by which pixels of one colour differ where they are shown: what compositing rounds."""


def looks_of(image: bytes, pixels: Any, orientation: int | None = None) -> Looks:
    """How an image that can be decoded is shown.

    Args:
      image: a JPEG, PNG, GIF or BMP.
      pixels: uint8 [height, width, 3] (np.ndarray), what it is on white.
      orientation: of the image that it was converted from; None where it was not.
    """
    has_alpha, said = (False, 1) if _says_nothing(image) else _marks(image)
    orientation = said if orientation is None else orientation
    share, colour = _transparency(image) if has_alpha else (0.0, None)
    return Looks(orientation, share, colour if share else _opaque_colour(pixels))


def _says_nothing(image: bytes) -> bool:
    if image.startswith(b"\x89PNG"):
        plain = image[_PNG_COLOURS] not in _PNG_ALPHA
    else:
        plain = image.startswith(b"\xff\xd8")
    return plain and not any(said in image for said in _SAID)


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
        said = [tf.equal(marks.kind[0], ALPHA), marks.orientation[0]]
        pixels = tf.io.decode_png(encoded[0], channels=4)
    config = v1.ConfigProto(device_count={"GPU": 0}, inter_op_parallelism_threads=-1)
    session = v1.Session(graph=graph, config=config)
    calls = [session.make_callable(fetched, [encoded]) for fetched in (said, pixels)]
    return lambda image: calls[0]([image]), lambda image: calls[1]([image])


def _marks(image: bytes) -> tuple[bool, int]:
    """Whether it may be transparent, and its orientation, as the decoder of training reads them."""
    has_alpha, orientation = _readers()[0](image)
    return bool(has_alpha), int(orientation)


def said_by_pillow(image: bytes, kind: str) -> int:
    """The orientation of an image that Pillow has decoded, 1 to 8; 1 where none is said."""
    from components.example_gen.screen.plugins import opened

    try:
        with opened(image, kind) as picture:
            said = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # Pillow raises many types for what is damaged.
        return 1
    return said if said in range(1, 9) else 1


def _opaque_colour(pixels: Any) -> str | None:
    first = pixels[0, 0]
    # Most images have two colours among a few pixels.
    few = pixels[:: max(1, len(pixels) // 8), :: max(1, pixels.shape[1] // 8)]
    if (few != first).any() or (pixels != first).any():
        return None
    return hex_of(first)


def _transparency(image: bytes) -> tuple[float, str | None]:
    """The share of a PNG's pixels that are not opaque, and the one colour of all that can be seen.

    The colour is None where they have several, and empty where nothing can be seen.
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
