"""A backbone as a Keras layer: a recognised BiT is rebuilt as ours, other modules are used as is.

>>> from components.backbone.config import SHIPPED
>>> layer = load(str(SHIPPED["bit-mini"]), "full", "float32", trainable_parameters=None)
>>> layer.architecture.widths
(24, 48, 96)
>>> layer(tf.zeros((2, 64, 64, 3))).shape
TensorShape([2, 384])
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_hub as hub
import tf_keras as keras

from components.backbone.architecture import Architecture
from components.backbone.bit import BiT
from components.backbone.contract import pre_logits_of, probe_images
from components.backbone.handle import CURE, check_whole
from components.backbone.precision import (
    check_rewrite,
    compute_dtype,
    rewrite_graphs,
    stop_rewriting,
)
from components.backbone.rebuild import matching, named_weights
from components.errors import UserError
from components.storage import SAVED_MODEL

_logger = logging.getLogger(__name__)


class BackboneLayer(keras.layers.Layer):
    """Images float32 [N, H, W, 3] in [0, 1] to pre-logits float32 [N, E].

    Attributes:
      body: our BiT, or a foreign module as a hub.KerasLayer.
      architecture: of the BiT; None for a foreign module.
      penalty: the module's regularization, float32 []; None if it has none, or is frozen. As in
        hub.KerasLayer, only trained variables are regularized.
    """

    def __init__(
        self,
        body: Any,
        trainable: bool,
        architecture: Architecture | None = None,
        losses: Sequence[Callable[[], tf.Tensor]] = (),
    ):
        # float32 whatever Keras's global policy is, which would round the input images.
        super().__init__(name="backbone", trainable=trainable, dtype="float32")
        self.body = body
        self.architecture = architecture
        # A function hides the losses from Keras, which would export them.
        self.penalty = _sum_of(losses) if trainable and losses else None

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Pre-logits of a batch; `training` switches a foreign module's dropout and batch norms."""
        if isinstance(self.body, BiT):
            return tf.cast(self.body(images), tf.float32)
        return tf.cast(self.body(images, training=training and self.trainable), tf.float32)

    def compute_in_float32(self) -> None:
        """Ends mixed precision for functions traced from now on, and for every rewritten graph.

        Call it before the export: a served model may run on CPUs, and TFX's next step may run in
        this process.
        """
        if isinstance(self.body, BiT):
            self.body.compute_dtype = tf.float32
        stop_rewriting()


def load(path: str, mode: str, precision: str, trainable_parameters: int | None) -> BackboneLayer:
    """See `components.backbone.handle.load_backbone`."""
    trainable = mode == "full"
    # In another thread, outside of any strategy's scope, in which a mirrored module could not be
    # called, and would be placed on every device a second time.
    with ThreadPoolExecutor(1) as outside:
        bit = outside.submit(_examine, path, precision).result()
    gc.collect()  # A loaded module is full of reference cycles.
    if bit and bit.regularized:
        layer = _rebuilt_in_place(bit, path, trainable, precision)
    elif bit:
        layer = _rebuilt(bit, trainable, precision)
    else:
        module = _module(path, trainable)
        layer = BackboneLayer(module, trainable, losses=_losses(module))
        rewrite_graphs(precision)
    _check_trainable(layer, path, trainable_parameters)
    _logger.info(
        "backbone %s: %s, %d trainable parameters, %s",
        path,
        layer.architecture or "used as it is",
        _count(layer),
        precision,
    )
    return layer


@dataclass(frozen=True)
class _Bit:
    """A recognised BiT.

    Attributes:
      architecture: its depth, width and groups.
      values: its weights by canonical name.
      regularized: whether its module has regularization losses.
    """

    architecture: Architecture
    values: dict[str, np.ndarray]
    regularized: bool


def _examine(path: str, precision: str) -> _Bit | None:
    """Checks a module against the contract; returns its parts if it is a BiT, otherwise None."""
    with tf.device("CPU:0"):  # Without TF32, in which equal networks differ.
        module = _module(path, trainable=False)
        images = probe_images(module)
        pre_logits = pre_logits_of(module, images, path)
        named = named_weights({variable.name: variable for variable in module.weights})
        found = named and matching(*named, images, pre_logits)
    if named is None or found is None:
        check_rewrite(module, images, precision, path)
        return None
    architecture, expected = found
    if expected != "[0, 1]":
        raise UserError(
            f"backbone.handle: the BiT in {path} expects images in {expected}, but they are in "
            "[0, 1]. Give one that expects [0, 1], or convert its .npz file "
            "(docs/how-to/backbones.md)."
        )
    values = {name: weight.numpy() for name, weight in named[1].items()}
    return _Bit(architecture, values, bool(_losses(module)))


def _rebuilt(bit: _Bit, trainable: bool, precision: str) -> BackboneLayer:
    weights = {
        name: tf.Variable(value, trainable=trainable, name=name)
        for name, value in bit.values.items()
    }
    body = BiT(bit.architecture, weights=weights, compute_dtype=compute_dtype(precision))
    return BackboneLayer(body, trainable, bit.architecture)


def _rebuilt_in_place(bit: _Bit, path: str, trainable: bool, precision: str) -> BackboneLayer:
    """Uses the module's own variables, because its losses read them."""
    module = _module(path, trainable)
    named = named_weights({variable.name: variable for variable in module.weights})
    assert named is not None  # `_examine` recognised it.
    body = BiT(bit.architecture, weights=named[1], compute_dtype=compute_dtype(precision))
    return BackboneLayer(body, trainable, bit.architecture, _losses(module))


def _losses(module: hub.KerasLayer) -> list[Callable[[], tf.Tensor]]:
    """A module's `regularization_losses`; hub.KerasLayer has made sure that each can be called."""
    return list(getattr(module.resolved_object, "regularization_losses", ()))


def _sum_of(losses: Sequence[Callable[[], tf.Tensor]]) -> Callable[[], tf.Tensor]:
    return lambda: tf.add_n([tf.cast(loss(), tf.float32) for loss in losses])


def _module(path: str, trainable: bool) -> hub.KerasLayer:
    try:
        with tf.variable_creator_scope(_statistics_on_write):
            return hub.KerasLayer(path, trainable=trainable, name="module", dtype="float32")
    except (MemoryError, tf.errors.ResourceExhaustedError):
        raise
    except Exception as error:  # TensorFlow raises many types for a damaged file.
        check_whole(path)
        if isinstance(error, ValueError):
            raise UserError(
                f"backbone.handle: the SavedModel in {path} cannot be called as a hub module "
                f"({error}). Export it with `__call__` as a tf.function."
            ) from error
        raise UserError(
            f"backbone.handle: TensorFlow cannot load {path}/{SAVED_MODEL} "
            f"({type(error).__name__}: {str(error).strip()[:200]}): it is damaged, or needs "
            f"features that TensorFlow {tf.__version__} does not have. {CURE}"
        ) from error


def _statistics_on_write(make: Callable[..., tf.Variable], **options: Any) -> tf.Variable:
    """Makes a batch norm's statistics variables with one copy per device, which may differ.

    Keras's variables are averaged whenever they are read outside of a step. Then all workers would
    have to read them together, but only the chief saves: `Steps.average` makes the copies equal.
    """
    mean = options.get("aggregation") == tf.VariableAggregation.MEAN
    if mean and options.get("synchronization") == tf.VariableSynchronization.ON_READ:
        options["synchronization"] = tf.VariableSynchronization.ON_WRITE
    return make(**options)


def _check_trainable(layer: BackboneLayer, path: str, expected: int | None) -> None:
    """Checks the trainable variables in mode full; nothing else would report a mistake."""
    if not layer.trainable:
        return
    if not layer.trainable_variables:
        raise UserError(
            f"backbone.mode is full, but the backbone in {path} has no trainable variable, so that "
            "only the head would be trained. Set backbone.mode=head_only, or export it with "
            "`trainable_variables`, `variables`, `regularization_losses` and `__call__`."
        )
    count = _count(layer)
    if layer.architecture is not None:
        assert count == layer.architecture.parameter_count()
    if expected not in (None, count):
        raise UserError(
            f"backbone.trainable_parameters is {expected}, but the backbone in {path} has {count}. "
            f"Set backbone.trainable_parameters={count} if that is right, or null, or correct "
            "backbone.handle."
        )


def _count(layer: BackboneLayer) -> int:
    return sum(int(np.prod(variable.shape)) for variable in layer.trainable_variables)
