"""How `training.precision` is applied to a backbone.

Keras's policies affect Keras's own layers only. Our BiT has a compute dtype. A SavedModel's dtypes
are fixed; for it TensorFlow's graph rewrite inserts casts where they pay off
(tensorflow/core/grappler/optimizers/auto_mixed_precision.cc), in every graph that is run.

    >>> compute_dtype("mixed_bfloat16")
    tf.bfloat16
    >>> rewrite_graphs("mixed_bfloat16")
    >>> tf.config.optimizer.get_experimental_options()["auto_mixed_precision_onednn_bfloat16"]
    True
    >>> stop_rewriting()
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
"""The first is for CPUs only, the second for GPUs, and for CPUs with float16 instructions."""

_EFFECT = 1e-5
"""Relative change of the pre-logits: 1e-2 by bfloat16, 1e-3 by float16, 1e-6 between runs."""


def compute_dtype(precision: str) -> tf.DType:
    """The dtype in which our BiT computes under one of Keras's policies."""
    return _COMPUTE_DTYPES[precision]


def check_rewrite(module: Any, images: tf.Tensor, precision: str, path: str) -> None:
    """Checks that the rewrite changes a module's results on this machine.

    Args:
      module: a hub.KerasLayer.
      images: float32 [N, H, W, 3].
      precision: Keras's name of the policy; `float32` needs no rewrite.
      path: of the module, for errors.

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
    if difference < _EFFECT:
        other = "mixed_bfloat16 on a CPU or mixed_float16 on a GPU"
        raise UserError(
            f"training.precision {precision} changes nothing in the backbone in {path} on this "
            f"machine, because its dtypes are fixed. Set training.precision=float32 ({other} may "
            "work), or use a BiT."
        )


def rewrite_graphs(precision: str) -> None:
    """Turns the rewrite on, for every function that this thread calls from now on.

    Other threads see it once they set an option themselves: each caches its options
    (`function_call_options` in tensorflow/python/eager/context.py).
    """
    if precision in _REWRITES:
        tf.config.optimizer.set_experimental_options({_REWRITES[precision]: True})


def stop_rewriting() -> None:
    """Turns the rewrite off, for this thread."""
    tf.config.optimizer.set_experimental_options(dict.fromkeys(_REWRITES.values(), False))
