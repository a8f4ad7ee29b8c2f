"""The BiT network in TensorFlow, and its export as a module that hub.KerasLayer can fine-tune.

>>> from components.backbone.architecture import BIT_MINI
>>> backbone = BiT(BIT_MINI, seed=42)
>>> backbone(tf.zeros((2, 64, 64, 3))).shape
TensorShape([2, 384])
>>> len(backbone.weights) == len(BIT_MINI.weight_shapes())
True
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import tensorflow as tf

from components.backbone.architecture import Architecture, Unit

_STANDARDISE_EPSILON = 1e-10
_GROUP_NORM_EPSILON = 1e-5


class BiT(tf.Module):
    """The body of a BiT, without its head: images in [0, 1] to pre-logits.

    Kolesnikov et al. 2020 (arXiv 1912.11370), section 3; paddings and epsilons as in
    google-research/big_transfer `bit_pytorch/models.py`.

    Attributes:
      architecture: depth and width.
      weights: name (as in `Architecture.weight_shapes`) -> tf.Variable, float32.
      compute_dtype: of convolutions and activations. The standardisation of kernels, GroupNorm and
        the final mean are always computed in float32. A traced function keeps its dtype.
    """

    def __init__(
        self,
        architecture: Architecture,
        seed: int = 0,
        *,
        weights: Mapping[str, tf.Variable] | None = None,
        compute_dtype: tf.DType = tf.float32,
    ):
        """Takes `weights`, or draws them from `seed`.

        Kernels come from He's normal distribution; gamma is 1 and beta 0.
        """
        super().__init__(name="bit")
        self.architecture = architecture
        self.compute_dtype = compute_dtype
        self.weights = weights or {
            name: tf.Variable(_initial_value(name, shape, (seed, index)), name=name)
            for index, (name, shape) in enumerate(architecture.weight_shapes().items())
        }

    # Plain Python loops, which AutoGraph would convert at every tracing for no gain.
    @tf.autograph.experimental.do_not_convert
    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Pre-logits of a batch.

        Args:
          images: float32 [N, H, W, 3] in [0, 1].

        Returns:
          float32 [N, architecture.embedding_size].
        """
        x = self._root(tf.cast(images * 2.0 - 1.0, self.compute_dtype))
        for unit in self.architecture.units():
            x = self._unit(x, unit)
        x = tf.nn.relu(self._group_norm(x, "group_norm"))
        return tf.reduce_mean(tf.cast(x, tf.float32), axis=(1, 2))

    def _root(self, x: tf.Tensor) -> tf.Tensor:
        x = self._conv(x, "root_block", stride=2)
        return tf.nn.max_pool2d(_pad(x, 1), ksize=3, strides=2, padding="VALID")

    def _unit(self, x: tf.Tensor, unit: Unit) -> tf.Tensor:
        y = tf.nn.relu(self._group_norm(x, f"{unit.name}/a/group_norm"))
        shortcut = self._conv(y, f"{unit.name}/a/proj", unit.stride) if unit.projects else x
        y = self._conv(y, f"{unit.name}/a")
        y = tf.nn.relu(self._group_norm(y, f"{unit.name}/b/group_norm"))
        y = self._conv(y, f"{unit.name}/b", unit.stride)
        y = tf.nn.relu(self._group_norm(y, f"{unit.name}/c/group_norm"))
        return self._conv(y, f"{unit.name}/c") + shortcut

    def _conv(self, x: tf.Tensor, name: str, stride: int = 1) -> tf.Tensor:
        """Convolution whose kernel is standardised per output channel (Qiao et al. 2019)."""
        kernel = self.weights[f"{name}/standardized_conv2d/kernel"]
        mean, variance = tf.nn.moments(kernel, axes=(0, 1, 2), keepdims=True)
        kernel = (kernel - mean) * tf.math.rsqrt(variance + _STANDARDISE_EPSILON)
        # Fixed padding, not SAME: with a stride, SAME pads by the image's size.
        padded = _pad(x, (int(kernel.shape[0]) - 1) // 2)
        kernel = tf.cast(kernel, self.compute_dtype)
        return tf.nn.conv2d(padded, kernel, strides=stride, padding="VALID")

    def _group_norm(self, x: tf.Tensor, name: str) -> tf.Tensor:
        """GroupNorm (Wu and He 2018) over [N, H, W, C]; statistics per image and group."""
        groups, channels = self.architecture.groups, x.shape[-1]
        size = tf.shape(x)
        grouped = tf.reshape(x, (size[0], size[1] * size[2], groups, channels // groups))
        grouped = tf.cast(grouped, tf.float32)
        mean, variance = tf.nn.moments(grouped, axes=(1, 3), keepdims=True)
        normalised = (grouped - mean) * tf.math.rsqrt(variance + _GROUP_NORM_EPSILON)
        gamma, beta = self.weights[f"{name}/gamma"], self.weights[f"{name}/beta"]
        return tf.cast(tf.reshape(normalised, size) * gamma + beta, self.compute_dtype)


def export_hub_module(backbone: BiT, directory: str) -> None:
    """Saves `backbone` as a SavedModel with the interface of google/bit/m-r50x1.

    hub.KerasLayer trains the variables in `trainable_variables`; the SavedModel of a bare tf.Module
    has no such list, so that its layer would silently train nothing.

    Args:
      backbone: the network.
      directory: the folder to write; it must not exist.
    """
    images = tf.TensorSpec((None, None, None, 3), tf.float32, name="images")
    module = tf.train.Checkpoint(backbone=backbone)
    module.variables = list(backbone.weights.values())
    module.trainable_variables = list(backbone.weights.values())
    module.regularization_losses = []
    module.__call__ = tf.function(backbone.__call__, input_signature=[images])
    tf.saved_model.save(module, directory)


def _pad(x: tf.Tensor, pixels: int) -> tf.Tensor:
    return tf.pad(x, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0))) if pixels else x


def _initial_value(name: str, shape: tuple[int, ...], seed: tuple[int, int]) -> tf.Tensor:
    if name.endswith("gamma"):
        return tf.ones(shape)
    if name.endswith("beta"):
        return tf.zeros(shape)
    fan_in = math.prod(shape[:-1])
    return tf.random.stateless_normal(shape, seed=seed, stddev=math.sqrt(2.0 / fan_in))
