"""The decoder that training uses, in a guard."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from components.example_gen.screen.headers.base import Header
from components.example_gen.screen.result import Reason, UnfitError

WHITE = (255, 255, 255)
"""Of what is transparent, for the perceptual hash; training has its own background."""

_COLOUR_TYPE = 25
"""Where a PNG says whether it has alpha."""
_ALPHA = (4, 6)
_NOT_PLAIN = {"jpeg": (b"\xff\xe1",), "png": (b"tRNS", b"eXIf", b"tiff:Orientation")}
"""What an image holds that is transparent or turned; others may hold it by chance."""
_COLOURS = (1, 3)


def decode(image: bytes, header: Header) -> Any:
    """Decodes a JPEG, PNG, GIF (its first frame) or BMP on the CPU; from any thread.

    Args:
      image: the encoded image.
      header: what its header says.

    Returns:
      uint8 [height, width, 3] (np.ndarray), upright and on white.

    Raises:
      UnfitError: it cannot be decoded, or not to the size that the header says.
    """
    import tensorflow as tf

    try:
        pixels = _decoder(_is_plain(image, header))(image)
    except tf.errors.ResourceExhaustedError:
        # The machine's fault, not the image's.
        raise
    except tf.errors.OpError as error:
        reason = Reason.DAMAGED if header.complete else Reason.TRUNCATED
        detail = f"TensorFlow cannot decode the {header.format.upper()}: {_gist(error)}"
        raise UnfitError(reason, detail) from error
    height, width = pixels.shape[:2]
    if (height, width) not in ((header.height, header.width), (header.width, header.height)):
        detail = f"{header.width} x {header.height} pixels, but decoded they are {width} x {height}"
        raise UnfitError(Reason.DAMAGED, detail)
    return pixels


def _is_plain(image: bytes, header: Header) -> bool:
    """Whether TensorFlow's own op is all that training uses of its decoder for this image.

    It takes half of the time, and most images are plain.
    """
    if header.format == "jpeg" and header.components not in _COLOURS:
        return False
    if header.format == "png" and image[_COLOUR_TYPE] in _ALPHA:
        return False
    says = _NOT_PLAIN.get(header.format)
    return says is not None and not any(each in image for each in says)


@functools.cache
def _decoder(plain: bool) -> Callable[[bytes], Any]:
    """The op in a session: run eagerly or in a tf.function, it leaks 0.7 to 5 kB at every error."""
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
    # -1: in the caller's thread, who decides how many there are.
    config = v1.ConfigProto(device_count={"GPU": 0}, inter_op_parallelism_threads=-1)
    return v1.Session(graph=graph, config=config).make_callable(pixels, [encoded])


def _gist(error: Any) -> str:
    """What the decoder said: the last line, but for the names of nodes."""
    lines = [line.strip() for line in error.message.splitlines()]
    said = [line for line in lines if line and not line.startswith("[[")]
    return said[-1].rstrip(".") if said else type(error).__name__
