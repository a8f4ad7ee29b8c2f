"""What reads encoded images in the graph: pieces of strings, byte patterns, calls for rare kinds.

>>> found = Patterns(8, [{0: b"GIF8"}, {1: b"PNG"}]).match(tf.constant([b"GIF89a"]))
>>> found.numpy().tolist()
[[True, False]]
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

Bits = list[tuple[int, int]]
"""For each of some bytes which of its bits count, and their value."""
Pattern = dict[int, bytes | Bits]
"""Parts of a pattern by where they begin; what is between them may be anything."""


class Patterns:
    """Patterns of one size, compared eight bytes at a time.

    Args:
      size: bytes that are looked at, a multiple of eight.
      patterns: at least one.
    """

    def __init__(self, size: int, patterns: list[Pattern]) -> None:
        self.size = size
        bits, values = np.zeros((2, len(patterns), size), np.uint8)
        for row, parts in enumerate(patterns):
            for at, part in parts.items():
                pairs = [(0xFF, byte) for byte in part] if isinstance(part, bytes) else part
                for place, (mask, value) in enumerate(pairs, at):
                    bits[row, place], values[row, place] = mask, value
        self._bits, self._values = bits.view(np.int64), values.view(np.int64)

    def match(self, text: tf.Tensor) -> tf.Tensor:
        """Whether strings begin with each pattern; behind the end of a string are zeros.

        Args:
          text: string [N].

        Returns:
          bool [N, patterns].
        """
        words = tf.io.decode_raw(text, tf.int64, fixed_length=self.size)
        masked = tf.bitwise.bitwise_and(tf.expand_dims(words, 1), self._bits)
        return tf.reduce_all(tf.equal(masked, self._values), axis=2)


def piece(text: tf.Tensor, at: tf.Tensor, count: int) -> tf.Tensor:
    """So many bytes of strings, fewer at their ends: string [..., N].

    Args:
      text: string [N].
      at: where they begin, at most at the end: int32 [..., N].
      count: bytes.
    """
    return tf.strings.substr(text, at, tf.fill(tf.shape(at), count))


def rare(*signature: tf.TensorSpec) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a function of tensors a call in the graph that TensorFlow does not expand.

    Most data sets hold no GIF, BMP or Exif. Expanded, what reads these would be most of every
    graph, and take seconds at each of its first runs.

    Args:
      signature: of the arguments.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.cache
        def traced() -> Any:
            return tf.function(
                function,
                input_signature=signature,
                autograph=False,
                experimental_attributes={"_noinline": True},
            )

        @functools.wraps(function)
        def call(*arguments: tf.Tensor) -> Any:
            return traced()(*arguments)

        return call

    return decorate
