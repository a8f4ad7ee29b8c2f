"""Loads the weights of an earlier model into a classifier before training.

>>> form = _Form.of(tf.Variable(tf.zeros((384, 10)), name="head/kernel"))
>>> form.name, form.shape
('head/kernel', (384, 10))
>>> _size([form])
'1 variables, 3,840 numbers'
"""

from __future__ import annotations

import gc
import logging
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from components.errors import UserError
from components.trainer.model import BiTClassifier

_logger = logging.getLogger(__name__)

_HEAD = 2
"""Number of variables of the head, kernel and bias: the last of a classifier's variables."""


@dataclass(frozen=True)
class _Form:
    """What must be equal in two variables for one to take the other's value."""

    name: str
    shape: tuple[int, ...]
    dtype: tf.DType

    @classmethod
    def of(cls, variable: tf.Variable) -> _Form:
        return cls(variable.name.removesuffix(":0"), tuple(variable.shape), variable.dtype)


def start_from(model: BiTClassifier, saved_model: str) -> None:
    """Assigns all weights of an exported classifier, in the scope of the model's strategy.

    Args:
      model: of the same architecture.
      saved_model: folder that `components.trainer.served_model.export` wrote.

    Raises:
      UserError: the saved model is another network, or has other classes.
    """
    # In another thread, outside of the strategy's scope, in which each device would get a copy.
    with ThreadPoolExecutor(1) as outside:
        forms, values = outside.submit(_read, saved_model).result()
    gc.collect()  # A loaded module is full of reference cycles.
    variables = model.all_variables
    _check([_Form.of(variable) for variable in variables], forms, saved_model)
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    _logger.info("training starts from the weights in %s", saved_model)


def _read(saved_model: str) -> tuple[list[_Form], list[np.ndarray]]:
    with tf.device("CPU:0"):
        stored = tf.saved_model.load(saved_model).model_variables
        return [_Form.of(each) for each in stored], [each.numpy() for each in stored]


def _check(own: Sequence[_Form], stored: Sequence[_Form], saved_model: str) -> None:
    what = "training.warm_start: the serving model"
    if own[:-_HEAD] != stored[:-_HEAD]:
        raise UserError(
            f"{what} is a different network ({_size(stored[:-_HEAD])}) from backbone.handle "
            f"({_size(own[:-_HEAD])}): {saved_model}. Set training.warm_start=false until a "
            "model with this backbone is served, or set its backbone.handle."
        )
    if own != stored:
        theirs, ours = stored[-1].shape, own[-1].shape
        raise UserError(
            f"{what} has {math.prod(theirs)} classes, but the data have {math.prod(ours)}: "
            f"{saved_model}. Set training.warm_start=false until a model with these classes is "
            "served."
        )


def _size(forms: Sequence[_Form]) -> str:
    numbers = sum(math.prod(form.shape) for form in forms)
    return f"{len(forms)} variables, {numbers:,} numbers"
