"""Decodes an image as training will, and turns every failure into a refusal.

>>> import io
>>> from PIL import Image
>>> from components.example_gen.screen.header import read_header
>>> file = io.BytesIO()
>>> Image.new("L", (32, 24), 128).save(file, "PNG")
>>> image = file.getvalue()
>>> decode(image, read_header(image, "png")).shape
(24, 32, 3)
>>> cut = image[:60]
>>> decode(cut, read_header(cut, "png"))
Traceback (most recent call last):
...
components.example_gen.screen.result.UnfitError: TensorFlow cannot decode the PNG: ...
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from components.example_gen.screen.headers.base import Header
from components.example_gen.screen.result import Reason, UnfitError

WHITE = (255, 255, 255)
"""Background of transparent pixels for the perceptual hash; training has its own."""

_COLOUR_TYPE = 25
"""Index of the byte that shows whether a PNG has alpha."""
_ALPHA = (4, 6)
_NOT_PLAIN = {"jpeg": (b"\xff\xe1",), "png": (b"tRNS", b"eXIf", b"tiff:Orientation")}
"""Bytes in every transparent or rotated image; others may hold them by chance."""
_COLOURS = (1, 3)


def decode(image: bytes, header: Header) -> Any:
    """Decodes a JPEG, PNG, GIF (its first frame) or BMP on the CPU; from any thread.

    Args:
      image: the encoded image.
      header: its header.

    Returns:
      uint8 [height, width, 3] (np.ndarray), upright and on white.

    Raises:
      UnfitError: it cannot be decoded, or not to the size in the header.
    """
    import tensorflow as tf

    try:
        pixels = _decoder(_is_plain(image, header))(image)
    except tf.errors.ResourceExhaustedError:
        # A lack of memory, which is not the image's fault.
        raise
    except tf.errors.OpError as error:
        reason = Reason.DAMAGED if header.complete else Reason.TRUNCATED
        detail = f"TensorFlow cannot decode the {header.format.upper()}: {_reason(error)}"
        raise UnfitError(reason, detail) from error
    height, width = pixels.shape[:2]
    if (height, width) not in ((header.height, header.width), (header.width, header.height)):
        detail = (
            f"{header.width} x {header.height} pixels in the header, {width} x {height} decoded"
        )
        raise UnfitError(Reason.DAMAGED, detail)
    return pixels


def _is_plain(image: bytes, header: Header) -> bool:
    """Whether training decodes this image with TensorFlow's own op alone.

    The op takes half of the time, and most images are plain.
    """
    if header.format == "jpeg" and header.components not in _COLOURS:
        return False
    if header.format == "png" and image[_COLOUR_TYPE] in _ALPHA:
        return False
    markers = _NOT_PLAIN.get(header.format)
    return markers is not None and not any(marker in image for marker in markers)


@functools.cache
def _decoder(plain: bool) -> Callable[[bytes], Any]:
    """The op in a session: eagerly or in a tf.function it leaks 0.7 to 5 kB with every error."""
    import tensorflow as tf

    from components.transform.pixels import decode as as_trained

    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default(), tf.device("CPU:0"):
        encoded = v1.placeholder(tf.string, ())
        if plain:
            pixels = tf.io.decode_image(encoded, channels=3, expand_animations=False)
        else:
            pixels = as_trained(encoded, WHITE)
    # -1 runs it in the caller's thread; the caller decides how many there are.
    config = v1.ConfigProto(device_count={"GPU": 0}, inter_op_parallelism_threads=-1)
    return v1.Session(graph=graph, config=config).make_callable(pixels, [encoded])


def _reason(error: Any) -> str:
    """The decoder's message: the last line, apart from the names of nodes."""
    lines = [line.strip() for line in error.message.splitlines()]
    texts = [line for line in lines if line and not line.startswith("[[")]
    return texts[-1].rstrip(".") if texts else type(error).__name__
