"""The Transform step's preprocessing_fn: encoded image -> float32 pixels in [0, 1].

The seed's preprocess_test; random augmentation is the Trainer's, or it would be drawn once and be
part of the served graph.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

IMAGE = "image"
LABEL = "label"


def preprocessing_fn(
    inputs: dict[str, tf.Tensor], custom_config: dict[str, Any]
) -> dict[str, tf.Tensor]:
    """Decodes, resizes and normalises; the label stays a sparse integer.

    Args:
      inputs: `image`, string [N] or [N, 1] of encoded images; `label`, int64 [N] or [N, 1].
      custom_config: `resize`, the side in pixels.

    Returns:
      `image`, float32 [N, resize, resize, 3] in [0, 1]; `label`, int64 [N].
    """
    side = int(custom_config["resize"])
    encoded = tf.reshape(inputs[IMAGE], [-1])
    images = tf.map_fn(
        lambda image: decode_and_resize(image, side),
        encoded,
        fn_output_signature=tf.TensorSpec((side, side, 3), tf.float32),
    )
    return {IMAGE: images, LABEL: tf.reshape(inputs[LABEL], [-1])}


def decode_and_resize(encoded: tf.Tensor, side: int) -> tf.Tensor:
    """One encoded JPEG, PNG, GIF or BMP as float32 [side, side, 3] in [0, 1]."""
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    image.set_shape((None, None, 3))
    return tf.image.resize(image, (side, side)) / 255.0
