"""Checks that a backbone takes float32 images in [0, 1] and returns finite pre-logits.

>>> import tensorflow_hub as hub
>>> from components.backbone.config import SHIPPED
>>> module = hub.KerasLayer(str(SHIPPED["bit-mini"]))
>>> images = probe_images(module)
>>> images.shape, pre_logits_of(module, images, "bit-mini").shape
(TensorShape([2, 96, 96, 3]), TensorShape([2, 384]))
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from components.errors import UserError

_SIDE = 96
"""Sides of the probe images if a module takes any size; some networks fail on smaller ones."""

_DISTINCT = 1e-6
"""Relative difference below which the module does not distinguish two images."""


def probe_images(module: Any) -> tf.Tensor:
    """Two images in [0, 1], float32 [2, H, W, 3]: noise, and a ramp from black to white.

    Args:
      module: a hub.KerasLayer; if it takes images of one size only, the probe has that size.
    """
    height, width = _sides(module)
    noise = tf.random.stateless_uniform((height, width, 3), seed=(0, 1))
    ramp = tf.linspace(tf.zeros((height, 3)), tf.ones((height, 3)), width, axis=1)
    return tf.stack([noise, ramp])


def pre_logits_of(module: Any, images: tf.Tensor, path: str) -> tf.Tensor:
    """Pre-logits of the probe images, of any float type, [2, E].

    Raises:
      UserError: the module does not take such a batch, or does not return finite vectors of a known
        length that depend on the images.
    """
    spec = tf.TensorSpec((None, *images.shape[1:]), tf.float32)
    try:
        # Without AutoGraph, whose first use in a process takes five seconds.
        function = tf.function(module, input_signature=[spec], autograph=False)
        traced = function.get_concrete_function()
        output = traced.structured_outputs
        _check(
            isinstance(output, tf.Tensor) and output.dtype.is_floating and output.shape.rank == 2,
            "does not return one vector of floats per image",
            path,
        )
        _check(output.shape[1] is not None, "does not declare the length of its pre-logits", path)
        pre_logits = traced(images)
    except (ValueError, TypeError, AssertionError, tf.errors.OpError) as error:
        raise UserError(
            f"backbone.handle: the SavedModel in {path} does not take a batch of float32 images "
            "[N, height, width, 3]. Give a module that returns image features."
        ) from error
    values = tf.cast(pre_logits, tf.float32)
    _check(bool(tf.reduce_all(tf.math.is_finite(values))), "returns NaN or infinity", path)
    difference = tf.reduce_max(tf.abs(values[0] - values[1]))
    _check(
        bool(difference > _DISTINCT * tf.reduce_max(tf.abs(values))),
        "returns the same for every image in [0, 1] (does it expect [0, 255]?)",
        path,
    )
    return pre_logits


def _check(holds: bool, fault: str, path: str) -> None:
    if not holds:
        raise UserError(
            f"backbone.handle: the SavedModel in {path} {fault}. Give one that turns float32 "
            "images in [0, 1] into finite pre-logits [N, E]."
        )


def _sides(module: Any) -> tuple[int, int]:
    """Height and width in the signature of the module's first function, or the default."""
    loaded = module.resolved_object
    call = loaded.__call__ if callable(loaded) else None
    functions = getattr(call, "concrete_functions", None) or loaded.signatures.values()
    for function in functions:
        for spec in tf.nest.flatten(function.structured_input_signature):
            if isinstance(spec, tf.TensorSpec) and spec.shape.rank == 4:
                return spec.shape[1] or _SIDE, spec.shape[2] or _SIDE
    return _SIDE, _SIDE
