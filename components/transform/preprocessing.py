"""The Transform step's preprocessing_fn: encoded image -> float32 pixels in [0, 1].

The seed's preprocess_test; random augmentation is the Trainer's, or it would be drawn once and be
part of the served graph.

    >>> encoded = tf.io.encode_png(tf.fill((48, 80, 3), tf.constant(255, tf.uint8)))
    >>> outputs = preprocessing_fn(
    ...     {"image": encoded[tf.newaxis], "label": tf.constant([2])},
    ...     {"evaluate": 32, "resize": 64, "background": (255, 255, 255)},
    ... )
    >>> outputs["image"].shape, outputs["train_image"].shape, outputs["image_side"].numpy().tolist()
    (TensorShape([1, 32, 32, 3]), TensorShape([1, 64, 64, 3]), [32])
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from components.transform.config import Colour
from components.transform.features import IMAGE, IMAGE_SIDE, LABEL, TRAIN_IMAGE
from components.transform.marks import read_marks
from components.transform.pixels import decoded, turned

_ORIENTATIONS = 16
"""More than there are."""


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
    images, sides = decode_and_resize(encoded, evaluate, background)
    outputs = {IMAGE: images, LABEL: tf.reshape(inputs[LABEL], [-1]), IMAGE_SIDE: sides}
    if resize != evaluate:
        # A loop of its own: whoever reads one of the two does not pay for the other.
        outputs[TRAIN_IMAGE], _ = decode_and_resize(encoded, resize, background)
    return outputs


def decode_and_resize(
    encoded: tf.Tensor, side: int, background: Colour
) -> tuple[tf.Tensor, tf.Tensor]:
    """A batch of encoded images, string [N], as float32 [N, side, side, 3] in [0, 1], upright.

    Also of each the shorter side in pixels, rounded down to a power of two, int64 [N].
    """
    marks = read_marks(encoded)

    def one(marked: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        image, number = marked
        small, shorter = _resized(decoded(image, number // _ORIENTATIONS, background), side)
        # Turning the small image costs less, and gives the same.
        return turned(small, number % _ORIENTATIONS), shorter

    # In one number: every tensor that the loop reads costs some microseconds.
    numbers = marks.kind * _ORIENTATIONS + marks.orientation
    signature = (tf.TensorSpec((side, side, 3), tf.float32), tf.TensorSpec((), tf.int64))
    return tf.map_fn(one, (encoded, numbers), fn_output_signature=signature)


def _resized(image: tf.Tensor, side: int) -> tuple[tf.Tensor, tf.Tensor]:
    shorter = tf.cast(tf.reduce_min(tf.shape(image)[:2]), tf.float32)
    bits = tf.math.floor(tf.math.log(shorter) / tf.math.log(2.0) + 1e-6)
    return tf.image.resize(image, (side, side)) / 255.0, tf.cast(2.0**bits, tf.int64)
