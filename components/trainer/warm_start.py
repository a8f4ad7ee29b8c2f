"""Gives a classifier the weights of an earlier model before it trains."""

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
"""Kernel and bias: the last of a classifier's variables."""


@dataclass(frozen=True)
class _Form:
    """What must be the same of two variables, or one cannot take the value of the other."""

    name: str
    shape: tuple[int, ...]
    dtype: tf.DType

    @classmethod
    def of(cls, variable: tf.Variable) -> _Form:
        return cls(variable.name.removesuffix(":0"), tuple(variable.shape), variable.dtype)


def start_from(model: BiTClassifier, saved_model: str) -> None:
    """Assigns all weights of an exported classifier, in the scope of the model's strategy.

    Args:
      model: made as that one was.
      saved_model: folder that `components.trainer.signatures.export` wrote.

    Raises:
      UserError: it is another network, or has other classes.
    """
    # In a thread of its own, which is in no strategy's scope: there each device would have a copy.
    with ThreadPoolExecutor(1) as outside:
        forms, values = outside.submit(_read, saved_model).result()
    gc.collect()  # A loaded module is full of cycles.
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
    what = "training.warm_start: the model that serves"
    if own[:-_HEAD] != stored[:-_HEAD]:
        raise UserError(
            f"{what} is another network ({_size(stored[:-_HEAD])}) than backbone.handle "
            f"({_size(own[:-_HEAD])}): {saved_model}. Set training.warm_start to false until a "
            "model of this backbone is served, or give the backbone that it was made of."
        )
    if own != stored:
        theirs, ours = stored[-1].shape, own[-1].shape
        raise UserError(
            f"{what} has {math.prod(theirs)} classes, and the data have {math.prod(ours)}: "
            f"{saved_model}. Set training.warm_start to false until a model of these classes is "
            "served."
        )


def _size(forms: Sequence[_Form]) -> str:
    numbers = sum(math.prod(form.shape) for form in forms)
    return f"{len(forms)} variables, {numbers:,} numbers"
