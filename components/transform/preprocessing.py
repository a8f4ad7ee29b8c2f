"""The Transform step's preprocessing_fn: encoded image -> float32 pixels in [0, 1].

The seed's preprocess_test; random augmentation is the Trainer's, or it would be drawn once and be
part of the served graph.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from components.transform.config import Colour
from components.transform.features import IMAGE, IMAGE_SIDE, LABEL, TRAIN_IMAGE
from components.transform.pixels import map_decoded


def preprocessing_fn(
    inputs: dict[str, tf.Tensor], custom_config: dict[str, Any]
) -> dict[str, tf.Tensor]:
    """Decodes, resizes and normalises; the label stays a sparse integer.

    Args:
      inputs: `image`, string [N] or [N, 1] of encoded images; `label`, int64 [N] or [N, 1].
      custom_config: `evaluate` and `resize`, sides in pixels; `background`, RGB behind what is
        transparent.

    Returns:
      `image`, float32 [N, evaluate, evaluate, 3] in [0, 1]; `label`, int64 [N]; `image_side`, int64
      [N], the shorter side in pixels rounded down to a power of two. Where training takes another
      side, `train_image`, float32 [N, resize, resize, 3].
    """
    evaluate, resize = int(custom_config["evaluate"]), int(custom_config["resize"])
    background = tuple(custom_config["background"])
    encoded = tf.reshape(inputs[IMAGE], [-1])
    images, sides = _decode_all(encoded, evaluate, background)
    outputs = {IMAGE: images, LABEL: tf.reshape(inputs[LABEL], [-1]), IMAGE_SIDE: sides}
    if resize != evaluate:
        # A loop of its own: whoever reads one of the two does not pay for the other.
        outputs[TRAIN_IMAGE], _ = _decode_all(encoded, resize, background)
    return outputs


def _decode_all(encoded: tf.Tensor, side: int, background: Colour) -> tuple[tf.Tensor, tf.Tensor]:
    return map_decoded(
        lambda image: resized(image, side),
        encoded,
        background,
        (tf.TensorSpec((side, side, 3), tf.float32), tf.TensorSpec((), tf.int64)),
    )


def resized(image: tf.Tensor, side: int) -> tuple[tf.Tensor, tf.Tensor]:
    """One image, uint8 [height, width, 3], as float32 [side, side, 3] in [0, 1], and its size.

    The size is the shorter side in pixels, rounded down to a power of two, int64 [].
    """
    shorter = tf.cast(tf.reduce_min(tf.shape(image)[:2]), tf.float32)
    bits = tf.math.floor(tf.math.log(shorter) / tf.math.log(2.0) + 1e-6)
    return tf.image.resize(image, (side, side)) / 255.0, tf.cast(2.0**bits, tf.int64)
