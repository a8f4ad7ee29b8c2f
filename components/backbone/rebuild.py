"""Recognises a BiT in a loaded module: by the names of its weights, and by what it computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import tensorflow as tf

from components.backbone.architecture import Architecture, canonical_names, infer
from components.backbone.bit import BiT

TOLERANCE = 1e-4
"""Of the largest pre-logit: equal networks differ by 1e-6, a wrong guess by more than 0.05."""

_RANGES: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "[0, 1]": lambda images: images,
    "[-1, 1]": lambda images: (images + 1.0) / 2.0,
    "[0, 255]": lambda images: images / 255.0,
}
"""Range of images that a module takes, and what brings it to that of our class."""


def named_weights(
    variables: Mapping[str, tf.Variable],
) -> tuple[Architecture, dict[str, tf.Variable]] | None:
    """The architecture, but for its groups, and its weights by canonical name in its order.

    Args:
      variables: those of a module, by name.

    Returns:
      None where the names, shapes or types are not those of a BiT.
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
    """The group count and the range of images with which our class computes the same.

    The range must be looked at: kernels are standardised and the first thing after the root is a
    GroupNorm, so that another range shows at the image's borders alone, and is easily overlooked.

    Args:
      architecture: with any group count.
      weights: of the module.
      images: float32 [N, H, W, 3], random.
      pre_logits: float32 [N, E], the module's.

    Returns:
      The architecture with its groups and the range; None where nothing agrees.
    """
    for name, to_ours in _RANGES.items():
        for groups in architecture.possible_groups():
            candidate = replace(architecture, groups=groups)
            ours = BiT(candidate, weights=weights)(to_ours(images))
            if relative_difference(ours, pre_logits) < TOLERANCE:
                return candidate, name
    return None


def relative_difference(first: tf.Tensor, second: tf.Tensor) -> float:
    """Largest difference, as a part of the largest value of `second`."""
    return float(tf.reduce_max(tf.abs(first - second)) / tf.reduce_max(tf.abs(second)))
