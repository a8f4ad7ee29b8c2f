"""The classifier: a BiT backbone with a new head.

>>> from components.backbone.config import SHIPPED
>>> from components.backbone.handle import load_backbone
>>> backbone = load_backbone(str(SHIPPED["bit-mini"]), "head_only", "float32", None)
>>> model = BiTClassifier(backbone, num_classes=10)
>>> model(tf.zeros((2, 64, 64, 3))).shape
TensorShape([2, 10])
>>> [variable.shape.as_list() for variable in model.trained]  # The head's kernel and bias.
[[384, 10], [10]]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras as keras

MOMENTUM = 0.9


class BiTClassifier(tf.Module):
    """The backbone's pre-logits, followed by a dense head that starts at zero.

    A zero head makes the backbone's first gradients small and every class equally likely
    (Kolesnikov et al. 2020, arXiv 1912.11370, section 3.3).

    Attributes:
      embedding_size: E, length of the pre-logits.
      head_variables: kernel float32 [E, num_classes] and bias float32 [num_classes].
    """

    def __init__(self, backbone: Any, num_classes: int):
        """Makes the head.

        Args:
          backbone: from `components.backbone.handle.load_backbone`.
          num_classes: number of logits.
        """
        super().__init__(name="classifier")
        self.backbone = backbone
        # A module that was loaded for several devices can only be called through their strategy.
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
        # A batch may be empty: from a client, or on some devices in a short last batch. Not every
        # kernel then gives the right shape (oneDNN's max-pooling does not): it gets an image.
        count = tf.shape(images)[0]
        some = tf.cond(
            tf.equal(count, 0),
            lambda: tf.zeros((1, *(side or 32 for side in images.shape[1:]))),
            lambda: images,
        )
        return self.backbone(some, training=training)[:count]

    @property
    def penalty(self) -> Callable[[], tf.Tensor] | None:
        """The backbone's regularization, float32 []; None if it has none, or is frozen."""
        return self.backbone.penalty

    @property
    def trained(self) -> list[tf.Variable]:
        """The variables that the optimiser changes: the head, and the backbone if not frozen."""
        return [*self.backbone.trainable_variables, *self.head_variables]

    @property
    def all_variables(self) -> list[tf.Variable]:
        """All variables that a forward pass reads."""
        return [*self.backbone.variables, *self.head_variables]


def make_optimizer(precision: str, clip_norm: float | None = None) -> Any:
    """SGD with momentum 0.9, whose rate is set before every step; float16 scales the loss.

    Args:
      precision: `training.precision`.
      clip_norm: norm of all gradients together, summed over devices, that a step has at most.
    """
    # With `global_clipnorm` None Keras clips nothing.
    optimizer = keras.optimizers.SGD(0.0, momentum=MOMENTUM, global_clipnorm=clip_norm)
    if precision == "mixed_float16":
        return keras.mixed_precision.LossScaleOptimizer(optimizer)
    return optimizer
