"""A backbone as a Keras layer: looked at first, then rebuilt as our BiT or taken as it is."""

from __future__ import annotations

import gc
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_hub as hub
import tf_keras as keras

from components.errors import UserError
from components.storage import SAVED_MODEL
from components.trainer.architecture import Architecture
from components.trainer.backbone import CURE, check_whole
from components.trainer.bit import BiT
from components.trainer.contract import pre_logits_of, probe_images
from components.trainer.precision import (
    check_rewrite,
    compute_dtype,
    rewrite_graphs,
    stop_rewriting,
)
from components.trainer.rebuild import matching, named_weights

_logger = logging.getLogger(__name__)


class BackboneLayer(keras.layers.Layer):
    """Images float32 [N, H, W, 3] in [0, 1] to pre-logits float32 [N, E].

    Attributes:
      body: our BiT, or a foreign module as a hub.KerasLayer.
      architecture: the BiT's; None of a foreign module.
    """

    def __init__(self, body: Any, trainable: bool, architecture: Architecture | None = None):
        # float32 whatever Keras's global policy is: it would round the images on their way in.
        super().__init__(name="backbone", trainable=trainable, dtype="float32")
        self.body = body
        self.architecture = architecture

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Pre-logits of a batch; `training` tells a foreign module's dropout and batch norms."""
        if isinstance(self.body, BiT):
            return tf.cast(self.body(images), tf.float32)
        return tf.cast(self.body(images, training=training and self.trainable), tf.float32)

    def compute_in_float32(self) -> None:
        """Ends mixed precision, for what is traced from now on, and for every rewritten graph.

        To be called before the export: a served model meets CPUs, and TFX's next step may run in
        this process.
        """
        if isinstance(self.body, BiT):
            self.body.compute_dtype = tf.float32
        stop_rewriting()


def load(path: str, mode: str, precision: str, trainable_parameters: int | None) -> BackboneLayer:
    """See `components.trainer.backbone.load_backbone`."""
    trainable = mode == "full"
    # In a thread of its own, which is in no strategy's scope: there a mirrored module could not be
    # called, and would be on every device a second time.
    with ThreadPoolExecutor(1) as outside:
        bit = outside.submit(_look, path, precision).result()
    gc.collect()  # A loaded module is full of cycles.
    if bit:
        layer = _rebuilt(*bit, trainable, precision)
    else:
        layer = BackboneLayer(_module(path, trainable), trainable)
        rewrite_graphs(precision)
    _check_trainable(layer, path, trainable_parameters)
    _logger.info(
        "backbone %s: %s, %d numbers to train, %s",
        path,
        layer.architecture or "used as it is",
        _count(layer),
        precision,
    )
    return layer


def _look(path: str, precision: str) -> tuple[Architecture, dict[str, np.ndarray]] | None:
    """Holds a module against the contract; returns what a BiT is made of, None of another."""
    with tf.device("CPU:0"):  # Has no TF32, in which equal networks differ.
        module = _module(path, trainable=False)
        images = probe_images(module)
        pre_logits = pre_logits_of(module, images, path)
        named = named_weights({variable.name: variable for variable in module.weights})
        found = named and matching(*named, images, pre_logits)
    if named is None or found is None:
        check_rewrite(module, images, precision, path)
        return None
    architecture, taken = found
    if taken != "[0, 1]":
        raise UserError(
            f"backbone.handle: the BiT in {path} takes images in {taken}, and they come in [0, 1]: "
            "give one that takes [0, 1], or make it of its .npz file (docs/backbones.md)."
        )
    return architecture, {name: weight.numpy() for name, weight in named[1].items()}


def _rebuilt(
    architecture: Architecture, values: dict[str, np.ndarray], trainable: bool, precision: str
) -> BackboneLayer:
    weights = {
        name: tf.Variable(value, trainable=trainable, name=name) for name, value in values.items()
    }
    body = BiT(architecture, weights=weights, compute_dtype=compute_dtype(precision))
    return BackboneLayer(body, trainable, architecture)


def _module(path: str, trainable: bool) -> hub.KerasLayer:
    try:
        return hub.KerasLayer(path, trainable=trainable, name="module", dtype="float32")
    except (MemoryError, tf.errors.ResourceExhaustedError):
        raise
    except Exception as error:  # Of a damaged file TensorFlow raises whatever it trips over.
        check_whole(path)
        if isinstance(error, ValueError):
            raise UserError(
                f"backbone.handle: the SavedModel in {path} cannot be called as a hub module "
                f"({error}). Export it with `__call__` as a tf.function."
            ) from error
        raise UserError(
            f"backbone.handle: TensorFlow cannot load {path}/{SAVED_MODEL} "
            f"({type(error).__name__}: {str(error).strip()[:200]}): it is damaged, or uses what "
            f"this TensorFlow {tf.__version__} does not have. {CURE}"
        ) from error


def _check_trainable(layer: BackboneLayer, path: str, expected: int | None) -> None:
    """In mode full, what trains is what should; nothing else would ever tell."""
    if not layer.trainable:
        return
    if not layer.trainable_variables:
        raise UserError(
            f"backbone.mode is full, and the backbone in {path} has no trainable variable, so that "
            "only the head would learn. Use head_only, or export it with `trainable_variables`, "
            "`variables`, `regularization_losses` and `__call__`."
        )
    count = _count(layer)
    if layer.architecture is not None:
        assert count == layer.architecture.parameter_count()
    if expected not in (None, count):
        raise UserError(
            f"backbone.trainable_parameters is {expected}, and the backbone in {path} has {count} "
            "to train: give that number if it is right, or null, or the backbone that was meant."
        )


def _count(layer: BackboneLayer) -> int:
    return sum(int(np.prod(variable.shape)) for variable in layer.trainable_variables)
