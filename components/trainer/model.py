"""The classifier: a BiT backbone under a new head (the seed's MyBiTModel)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras as keras

from components.trainer.schedule import Schedule

MOMENTUM = 0.9


class BiTClassifier(keras.Model):
    """Pre-logits of the backbone, and a dense head that starts at zero.

    A zero head makes the first gradients of the backbone small and every class equally likely
    (Kolesnikov et al. 2020, arXiv 1912.11370, section 3.3).
    """

    def __init__(self, backbone: Any, num_classes: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.backbone = backbone
        self.head = keras.layers.Dense(num_classes, kernel_initializer="zeros", name="head")

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Images float32 [N, H, W, 3] in [0, 1] -> logits float32 [N, num_classes]."""
        if tf.distribute.get_strategy().num_replicas_in_sync == 1:
            return self.head(self.backbone(images))
        # A short last batch leaves devices with no image at all, for which not every kernel gives
        # the right shape (oneDNN's max-pooling does not).
        count = tf.shape(images)[0]
        padding = [[0, tf.maximum(1 - count, 0)], [0, 0], [0, 0], [0, 0]]
        return self.head(self.backbone(tf.pad(images, padding))[:count])


def compile_model(model: keras.Model, schedule: Schedule) -> None:
    """SGD with momentum 0.9 under the schedule; sparse cross-entropy from logits; accuracy."""
    rate: Any = schedule.learning_rate
    if schedule.boundaries:
        rate = keras.optimizers.schedules.PiecewiseConstantDecay(
            list(schedule.boundaries), list(schedule.values)
        )
    model.compile(
        optimizer=keras.optimizers.SGD(rate, momentum=MOMENTUM),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
