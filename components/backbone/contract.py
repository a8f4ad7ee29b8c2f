"""What any backbone must do: take float32 images of [0, 1], and give finite pre-logits of them."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from components.errors import UserError

_SIDE = 96
"""Pixels of a probe's sides where a module takes any; some networks take no smaller image."""

_DEPENDS = 1e-6
"""Of the largest pre-logit: two images so alike are one image to the module."""


def probe_images(module: Any) -> tf.Tensor:
    """Two images in [0, 1], float32 [2, H, W, 3]: noise, and a ramp from black to white.

    Args:
      module: a hub.KerasLayer; one that takes images of a single size gets that.
    """
    height, width = _sides(module)
    noise = tf.random.stateless_uniform((height, width, 3), seed=(0, 1))
    ramp = tf.linspace(tf.zeros((height, 3)), tf.ones((height, 3)), width, axis=1)
    return tf.stack([noise, ramp])


def pre_logits_of(module: Any, images: tf.Tensor, path: str) -> tf.Tensor:
    """Pre-logits of the probe, of any float type, [2, E].

    Raises:
      UserError: the module does not take such a batch, or gives anything but finite vectors of a
        known length that depend on the images.
    """
    spec = tf.TensorSpec((None, *images.shape[1:]), tf.float32)
    try:
        # Without AutoGraph, whose first use in a process takes five seconds.
        function = tf.function(module, input_signature=[spec], autograph=False)
        traced = function.get_concrete_function()
        told = traced.structured_outputs
        _check(
            isinstance(told, tf.Tensor) and told.dtype.is_floating and told.shape.rank == 2,
            "gives something else than one vector of floats an image",
            path,
        )
        _check(told.shape[1] is not None, "does not say how long its pre-logits are", path)
        pre_logits = traced(images)
    except (ValueError, TypeError, AssertionError, tf.errors.OpError) as error:
        raise UserError(
            f"backbone.handle: the SavedModel in {path} does not take a batch of float32 images "
            "[N, height, width, 3]: give a module of image features."
        ) from error
    values = tf.cast(pre_logits, tf.float32)
    _check(bool(tf.reduce_all(tf.math.is_finite(values))), "gives NaN or infinity", path)
    apart = tf.reduce_max(tf.abs(values[0] - values[1]))
    _check(
        bool(apart > _DEPENDS * tf.reduce_max(tf.abs(values))),
        "gives the same for every image in [0, 1] (does it take [0, 255]?)",
        path,
    )
    return pre_logits


def _check(kept: bool, fault: str, path: str) -> None:
    if not kept:
        raise UserError(
            f"backbone.handle: the SavedModel in {path} {fault}: give one that turns float32 "
            "images in [0, 1] into finite pre-logits [N, E]."
        )


def _sides(module: Any) -> tuple[int, int]:
    """Height and width that the module's first function declares, or those of the probe."""
    loaded = module.resolved_object
    call = loaded.__call__ if callable(loaded) else None
    functions = getattr(call, "concrete_functions", None) or loaded.signatures.values()
    for function in functions:
        for spec in tf.nest.flatten(function.structured_input_signature):
            if isinstance(spec, tf.TensorSpec) and spec.shape.rank == 4:
                return spec.shape[1] or _SIDE, spec.shape[2] or _SIDE
    return _SIDE, _SIDE
