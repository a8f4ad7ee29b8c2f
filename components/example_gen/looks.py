"""What the image index says of how an image is shown: its orientation, transparency and colour."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from components.example_gen.verdict import Looks
from components.transform.config import hex_of

_BLACK = (0, 0, 0)
_SAID = (b"Exif\0\0", b"eXIf", b"tiff:Orientation", b"tRNS")
"""One of them is in every JPEG and PNG that has something to say, but for a PNG with alpha."""
_PNG_COLOURS, _PNG_ALPHA = 25, (4, 6)
_ORIENTATION = 0x0112
_OPAQUE = 255
_STRIP = 1 << 20
"""Pixels that are looked at once: all of a large image would take 40 bytes each."""
_NEAR = 1
"""Levels by which a composited colour is rounded."""


def looks_of(image: bytes, pixels: Any, orientation: int | None = None) -> Looks:
    """How an image that can be decoded is shown.

    Args:
      image: a JPEG, PNG, GIF or BMP.
      pixels: uint8 [height, width, 3] (np.ndarray), what it is on white.
      orientation: of the image that it was converted from; None where it was not.
    """
    kind, said = (0, 1) if _says_nothing(image) else _marks(image)
    orientation = said if orientation is None else orientation
    if not kind:
        return Looks(orientation, 0.0, _opaque_colour(pixels))
    share, colour = _transparency(image, pixels)
    return Looks(orientation, share, colour)


def _says_nothing(image: bytes) -> bool:
    if image.startswith(b"\x89PNG"):
        plain = image[_PNG_COLOURS] not in _PNG_ALPHA
    else:
        plain = image.startswith(b"\xff\xd8")
    return plain and not any(said in image for said in _SAID)


@functools.cache
def _reader() -> Callable[[bytes], tuple[Any, Any]]:
    import tensorflow as tf

    from components.transform.marks import read_marks

    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default(), tf.device("CPU:0"):
        encoded = v1.placeholder(tf.string, (1,))
        marks = read_marks(encoded)
    config = v1.ConfigProto(device_count={"GPU": 0}, inter_op_parallelism_threads=-1)
    run = v1.Session(graph=graph, config=config).make_callable(list(marks), [encoded])
    return lambda image: run([image])


def _marks(image: bytes) -> tuple[int, int]:
    """Kind and orientation as the decoder that training uses reads them."""
    kind, orientation = _reader()(image)
    return int(kind[0]), int(orientation[0])


def said_by_pillow(image: bytes, kind: str) -> int:
    """The orientation of an image that Pillow has decoded, 1 to 8; 1 where none is said."""
    from components.example_gen.plugins import opened

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


def _transparency(image: bytes, on_white: Any) -> tuple[float, str | None]:
    """The share of pixels that are not opaque, and the colour of those that can be seen."""
    import numpy as np

    from components.transform.pixels import decoder

    on_black = decoder(_BLACK)(image)
    rows = max(1, _STRIP // on_white.shape[1])
    strips = [slice(top, top + rows) for top in range(0, len(on_white), rows)]
    opaque, strongest, colour = 0, 0, on_black[0, 0]
    for strip in strips:
        alpha = _alpha(on_white[strip], on_black[strip])
        opaque += int(np.count_nonzero(alpha == _OPAQUE))
        place = np.unravel_index(np.argmax(alpha), alpha.shape)
        if alpha[place] > strongest:
            strongest = int(alpha[place])
            colour = np.rint(on_black[strip][place] * 255.0 / strongest)
    share = 1.0 - opaque / (on_white.shape[0] * on_white.shape[1])
    if not share:
        return 0.0, _opaque_colour(on_white)
    if not strongest:
        return share, ""
    is_one = all(_is_one(on_white[strip], on_black[strip], colour) for strip in strips)
    return share, hex_of(colour) if is_one else None


def _alpha(on_white: Any, on_black: Any) -> Any:
    """What white adds to a pixel is what is missing of its opacity: int16 [rows, width]."""
    import numpy as np

    return _OPAQUE - (on_white.astype(np.int16) - on_black).max(axis=2)


def _is_one(on_white: Any, on_black: Any, colour: Any) -> bool:
    import numpy as np

    expected = _alpha(on_white, on_black)[..., np.newaxis] * (colour / 255.0)
    return bool(np.abs(expected - on_black).max() <= _NEAR)
