"""The classifier: a BiT backbone under a new head (the seed's MyBiTModel)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras as keras

MOMENTUM = 0.9


class BiTClassifier(tf.Module):
    """Pre-logits of the backbone, and a dense head that starts at zero.

    A zero head makes the first gradients of the backbone small and every class equally likely
    (Kolesnikov et al. 2020, arXiv 1912.11370, section 3.3).

    Attributes:
      embedding_size: E, length of the pre-logits.
      head_variables: kernel float32 [E, num_classes] and bias float32 [num_classes].
    """

    def __init__(self, backbone: Any, num_classes: int):
        """Makes the head.

        Args:
          backbone: what `components.backbone.handle.load_backbone` returns.
          num_classes: how many logits there are.
        """
        super().__init__(name="classifier")
        self.backbone = backbone
        # A module that was loaded for several devices can only be called on them.
        strategy = tf.distribute.get_strategy()
        embeddings = strategy.run(backbone, (tf.zeros((1, 32, 32, 3)),))
        self.embedding_size = int(strategy.experimental_local_results(embeddings)[0].shape[-1])
        shape = (self.embedding_size, num_classes)
        self.kernel = tf.Variable(tf.zeros(shape), name="head/kernel")
        self.bias = tf.Variable(tf.zeros(num_classes), name="head/bias")
        self.head_variables = [self.kernel, self.bias]

    def __call__(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Images float32 [N, H, W, 3] in [0, 1] -> logits float32 [N, num_classes]."""
        return self.head(self.embed(images, training))

    def head(self, embeddings: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Pre-logits float32 [N, E] -> logits float32 [N, num_classes]."""
        del training
        return embeddings @ self.kernel + self.bias

    def embed(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Images float32 [N, H, W, 3] in [0, 1] -> pre-logits float32 [N, E]."""
        if training or images.shape[0]:
            return self.backbone(images, training=training)
        # A client may send no image, and a short last batch leaves devices none. Not every kernel
        # then gives the right shape (oneDNN's max-pooling does not): such a batch gets an image.
        count = tf.shape(images)[0]
        some = tf.cond(
            tf.equal(count, 0),
            lambda: tf.zeros((1, *(side or 32 for side in images.shape[1:]))),
            lambda: images,
        )
        return self.backbone(some, training=training)[:count]

    @property
    def penalty(self) -> Callable[[], tf.Tensor] | None:
        """The backbone's regularization, float32 []; None where it has none, or is frozen."""
        return self.backbone.penalty

    @property
    def trained(self) -> list[tf.Variable]:
        """What the optimiser changes: the head, and the backbone unless it is frozen."""
        return [*self.backbone.trainable_variables, *self.head_variables]

    @property
    def all_variables(self) -> list[tf.Variable]:
        """Everything that a forward pass reads."""
        return [*self.backbone.variables, *self.head_variables]


def make_optimizer(precision: str) -> Any:
    """SGD with momentum 0.9, its rate set before every step; float16 gets a scaled loss."""
    optimizer = keras.optimizers.SGD(0.0, momentum=MOMENTUM)
    if precision == "mixed_float16":
        return keras.mixed_precision.LossScaleOptimizer(optimizer)
    return optimizer
