"""What `training.precision` does to a backbone.

Keras's policies reach Keras's own layers. Our BiT has a compute dtype. A SavedModel's dtypes are
fixed; there TensorFlow's graph rewrite puts casts around what gains from them
(tensorflow/core/grappler/optimizers/auto_mixed_precision.cc), in every graph that is run.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from components.errors import UserError

_COMPUTE_DTYPES = {
    "float32": tf.float32,
    "mixed_bfloat16": tf.bfloat16,
    "mixed_float16": tf.float16,
}

_REWRITES = {
    "mixed_bfloat16": "auto_mixed_precision_onednn_bfloat16",
    "mixed_float16": "auto_mixed_precision",
}
"""The first is for CPUs alone, the second for GPUs, and for CPUs with float16 of their own."""

_SHOWS = 1e-5
"""Of the largest pre-logit; bfloat16 changes 1e-2 and float16 1e-3, another run at most 1e-6."""


def compute_dtype(precision: str) -> tf.DType:
    """What our BiT computes in under one of Keras's policies."""
    return _COMPUTE_DTYPES[precision]


def check_rewrite(module: Any, images: tf.Tensor, precision: str, path: str) -> None:
    """Makes sure that the rewrite changes what a module computes on this machine.

    Args:
      module: a hub.KerasLayer.
      images: float32 [N, H, W, 3].
      precision: Keras's name of a policy; `float32` needs no rewrite.
      path: of the module, for the message.

    Raises:
      UserError: it changes nothing.
    """
    if precision == "float32":
        return
    compute = tf.function(module, autograph=False)
    before = tf.cast(compute(images), tf.float32)
    rewrite_graphs(precision)
    after = tf.cast(compute(images), tf.float32)
    stop_rewriting()
    difference = tf.reduce_max(tf.abs(after - before)) / tf.reduce_max(tf.abs(before))
    if difference < _SHOWS:
        other = "mixed_bfloat16 on a CPU, mixed_float16 on a GPU"
        raise UserError(
            f"training.precision {precision} changes nothing in the backbone in {path} on this "
            f"machine: its own dtypes are fixed. Use float32 ({other} may do), or a BiT."
        )


def rewrite_graphs(precision: str) -> None:
    """Turns the rewrite on, for every function that this thread calls from now on.

    Other threads hear of it when they set an option themselves: each caches what it calls with
    (`function_call_options` in tensorflow/python/eager/context.py).
    """
    if precision in _REWRITES:
        tf.config.optimizer.set_experimental_options({_REWRITES[precision]: True})


def stop_rewriting() -> None:
    """Turns it off again, likewise."""
    tf.config.optimizer.set_experimental_options(dict.fromkeys(_REWRITES.values(), False))
