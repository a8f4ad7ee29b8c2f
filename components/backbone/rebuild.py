"""Recognises a BiT in a loaded module: by the names of its weights, and by its results.

>>> from components.backbone.architecture import BIT_MINI
>>> bit = BiT(BIT_MINI)
>>> variables = {f"resnet/{name}:0": weight for name, weight in bit.weights.items()}
>>> architecture, weights = named_weights(variables)
>>> images = tf.random.stateless_uniform((2, 64, 64, 3), seed=(0, 1))
>>> found, expected_range = matching(architecture, weights, images, bit(images))
>>> found == BIT_MINI, expected_range
(True, '[0, 1]')
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import tensorflow as tf

from components.backbone.architecture import Architecture, canonical_names, infer
from components.backbone.bit import BiT

TOLERANCE = 1e-4
"""Relative difference of pre-logits; equal networks differ by 1e-6, a wrong guess by over 0.05."""

_RANGES: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "[0, 1]": lambda images: images,
    "[-1, 1]": lambda images: (images + 1.0) / 2.0,
    "[0, 255]": lambda images: images / 255.0,
}
"""Ranges of images that a module may expect, and the conversion to [0, 1]."""


def named_weights(
    variables: Mapping[str, tf.Variable],
) -> tuple[Architecture, dict[str, tf.Variable]] | None:
    """The architecture, apart from its groups, and its weights by canonical name.

    Args:
      variables: of a module, by name.

    Returns:
      None if the names, shapes or types are not those of a BiT.
    """
    try:
        stored = canonical_names(variables)
        architecture = infer({name: tuple(variables[old].shape) for name, old in stored.items()})
    except ValueError:
        return None
    weights = {name: variables[stored[name]] for name in architecture.weight_shapes()}
    if any(weight.dtype != tf.float32 for weight in weights.values()):
        return None
    return architecture, weights


def matching(
    architecture: Architecture,
    weights: Mapping[str, tf.Variable],
    images: tf.Tensor,
    pre_logits: tf.Tensor,
) -> tuple[Architecture, str] | None:
    """The group count and the range of images with which our BiT computes the same.

    The range needs a check: kernels are standardised and a GroupNorm follows the root, so that a
    wrong range only has an effect at the image's borders, and is easily overlooked.

    Args:
      architecture: from `named_weights`; its group count is ignored.
      weights: of the module.
      images: float32 [N, H, W, 3], random.
      pre_logits: of the module, float32 [N, E].

    Returns:
      The architecture with its groups, and the range; None if no combination matches.
    """
    for name, to_ours in _RANGES.items():
        for groups in architecture.possible_groups():
            candidate = replace(architecture, groups=groups)
            ours = BiT(candidate, weights=weights)(to_ours(images))
            if relative_difference(ours, pre_logits) < TOLERANCE:
                return candidate, name
    return None


def relative_difference(first: tf.Tensor, second: tf.Tensor) -> float:
    """The largest difference, relative to the largest value of `second`."""
    return float(tf.reduce_max(tf.abs(first - second)) / tf.reduce_max(tf.abs(second)))
