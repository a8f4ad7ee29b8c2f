"""What `training.precision` does to a backbone.

Keras's policies reach Keras's own layers. Our BiT has a compute dtype. A SavedModel's dtypes are
fixed; there TensorFlow's graph rewrite puts casts around what gains from them
(tensorflow/core/grappler/optimizers/auto_mixed_precision.cc), in every graph of the process.
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


def rewrite_graphs(module: Any, images: tf.Tensor, precision: str, path: str) -> None:
    """Turns the rewrite on for this process, and makes sure that it changes what a module computes.

    Args:
      module: a hub.KerasLayer.
      images: float32 [N, H, W, 3].
      precision: Keras's name of a policy; nothing happens under `float32`.
      path: of the module, for the message.

    Raises:
      UserError: it changes nothing on this machine.
    """
    if precision == "float32":
        return
    option = _REWRITES[precision]
    compute = tf.function(module, autograph=False)
    before = tf.cast(compute(images), tf.float32)
    tf.config.optimizer.set_experimental_options({option: True})
    after = tf.cast(compute(images), tf.float32)
    difference = tf.reduce_max(tf.abs(after - before)) / tf.reduce_max(tf.abs(before))
    if difference < _SHOWS:
        tf.config.optimizer.set_experimental_options({option: False})
        other = "mixed_bfloat16 on a CPU, mixed_float16 on a GPU"
        raise UserError(
            f"training.precision {precision} changes nothing in the backbone in {path} on this "
            f"machine: its own dtypes are fixed. Use float32 ({other} may do), or a BiT."
        )


def stop_rewriting() -> None:
    """Turns the rewrites off again, for functions that are already traced too."""
    tf.config.optimizer.set_experimental_options(dict.fromkeys(_REWRITES.values(), False))
