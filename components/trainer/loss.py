"""The loss that training minimises: cross-entropy, with class weights and label smoothing.

An image of class c with the probabilities p costs

    w[c] * ((1 - s) * -log p[c] + s * mean(-log p))

with the weights w and the smoothing s: as in Keras, the weight is of the whole image. MixUp's
blend of two images costs the blend of their losses, each with the weight of its own class.

    >>> loss = TrainingLoss(class_weights=(1.0, 3.0), label_smoothing=0.1)
    >>> logits = tf.zeros((2, 2))
    >>> [f"{each:.4f}" for each in loss(tf.constant([0, 1], tf.int64), logits)]
    ['0.6931', '2.0794']
    >>> [f"{each:.4f}" for each in loss(tf.constant([[0.75, 0.25], [0.0, 1.0]]), logits)]
    ['1.0397', '2.0794']
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Loss of each example, float32 [N], for labels int64 [N] or soft labels float32 [N, C]."""
    if labels.dtype.is_integer:
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    return tf.nn.softmax_cross_entropy_with_logits(labels, logits)


class TrainingLoss:
    """Loss of each example, as `cross_entropy`, which it is without weights and smoothing."""

    def __init__(self, class_weights: Sequence[float] | None = None, label_smoothing: float = 0.0):
        """Makes the loss.

        Args:
          class_weights: [C], each above 0; None counts all alike.
          label_smoothing: share of a label that all classes get in equal parts, below 1.
        """
        self._weights = class_weights
        self._smoothing = label_smoothing

    def __call__(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Labels int64 [N] or soft float32 [N, C], and logits [N, C] -> float32 [N]."""
        if self._weights is None and not self._smoothing:
            return cross_entropy(labels, logits)
        classes = logits.shape[-1]
        soft = tf.one_hot(labels, classes) if labels.dtype.is_integer else labels
        weighted = soft if self._weights is None else soft * tf.constant(self._weights, tf.float32)
        # TensorFlow's gradient takes it that labels add up to 1.
        weight = tf.reduce_sum(weighted, axis=1)
        shares = weighted / weight[:, tf.newaxis]
        shares = (1 - self._smoothing) * shares + self._smoothing / classes
        return weight * cross_entropy(shares, logits)
