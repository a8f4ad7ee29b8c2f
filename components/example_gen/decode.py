"""The decoder that training uses, in a guard."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from components.example_gen.header import Header
from components.example_gen.verdict import Reason, UnfitError


def decode(image: bytes, header: Header) -> Any:
    """Decodes a JPEG, PNG, GIF (its first frame) or BMP on the CPU; from any thread.

    Args:
      image: the encoded image.
      header: what its header says.

    Returns:
      uint8 [height, width, 3] (np.ndarray).

    Raises:
      UnfitError: it cannot be decoded, or not to the size that the header says.
    """
    import tensorflow as tf

    try:
        pixels = _decoder()(image)
    except tf.errors.ResourceExhaustedError:
        # The machine's fault, not the image's.
        raise
    except tf.errors.OpError as error:
        reason = Reason.DAMAGED if header.complete else Reason.TRUNCATED
        detail = f"TensorFlow cannot decode the {header.format.upper()}: {_gist(error)}"
        raise UnfitError(reason, detail) from error
    height, width = pixels.shape[:2]
    if (height, width) != (header.height, header.width):
        detail = f"{header.width} x {header.height} pixels, but decoded they are {width} x {height}"
        raise UnfitError(Reason.DAMAGED, detail)
    return pixels


@functools.cache
def _decoder() -> Callable[[bytes], Any]:
    """The op in a session: run eagerly or in a tf.function, it leaks 0.7 to 5 kB at every error."""
    import tensorflow as tf

    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default(), tf.device("CPU:0"):
        encoded = v1.placeholder(tf.string, ())
        pixels = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    # -1: in the caller's thread, who decides how many there are.
    config = v1.ConfigProto(device_count={"GPU": 0}, inter_op_parallelism_threads=-1)
    return v1.Session(graph=graph, config=config).make_callable(pixels, [encoded])


def _gist(error: Any) -> str:
    """What the decoder said: the last line, but for the names of nodes."""
    lines = [line.strip() for line in error.message.splitlines()]
    said = [line for line in lines if line and not line.startswith("[[")]
    return said[-1].rstrip(".") if said else type(error).__name__
