"""Parts of a graph that are traced once a process, and set up only when an image needs them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf


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
