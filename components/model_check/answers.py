"""Whether the answers of a model go together, and are of the shapes in the contract.

>>> from components.signatures import signatures
>>> (pixels,) = (each for each in signatures(2, 32) if each.name == "predict_pixels")
>>> outputs = {
...     "probabilities": np.array([[0.2, 0.8]], np.float32),
...     "class_index": np.array([0]),
...     "class_name": np.array([b"daisy"], object),
... }
>>> check_answers(pixels, outputs, 1, ("daisy", "rose"))
Traceback (most recent call last):
...
components.model_check.answers.RefusedError: class_index of predict_pixels is not the most ...
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.signatures import CLASS_INDEX, CLASS_NAME, ERROR, PROBABILITIES, VALID, Signature
from components.transform.features import NO_CLASS

Outputs = dict[str, NDArray[Any]]
"""Arrays by the name of the output."""

_SUM_TOLERANCE = 1e-3


class RefusedError(Exception):
    """A model does something wrong; the text is a sentence."""


def check_answers(
    signature: Signature,
    outputs: Outputs,
    rows: int,
    class_names: Sequence[str],
    min_confidence: float | None = None,
) -> None:
    """Checks the answers for images that can be decoded.

    Args:
      signature: that was asked.
      outputs: what it gave.
      rows: images that it was asked for.
      class_names: names by class index.
      min_confidence: the least probability with which it names a class; None names always.

    Raises:
      RefusedError: shapes are not those of the contract, an image has no answer, probabilities are
        none, or class and name are not those of the highest.
    """
    name = signature.name
    for key, tensor in signature.outputs.items():
        if outputs[key].shape != tensor.of(rows):
            raise RefusedError(
                f"{name} gives {key} of the shape {sides(outputs[key].shape)} for {rows} images, "
                f"and not {sides(tensor.of(rows))}"
            )
    if VALID in outputs and not outputs[VALID].all():
        said = outputs[ERROR][int(np.argmin(outputs[VALID]))].decode("utf-8", "replace")
        raise RefusedError(f"{name} has no result for an image that the Evaluator used: {said}")
    probabilities = outputs[PROBABILITIES]
    if not np.isfinite(probabilities).all():
        raise RefusedError(f"{name} gives probabilities that are NaN or infinite")
    if not np.allclose(probabilities.sum(axis=1), 1.0, atol=_SUM_TOLERANCE):
        raise RefusedError(f"{name} gives probabilities that do not add up to 1")
    index = probabilities.argmax(axis=1)
    if min_confidence is not None:
        sure = probabilities.max(axis=1) >= np.float32(min_confidence)
        index = np.where(sure, index, NO_CLASS)
    below = "" if min_confidence is None else f", or -1 below {min_confidence:g}"
    if (outputs[CLASS_INDEX] != index).any():
        raise RefusedError(f"class_index of {name} is not the most probable class{below}")
    names = ["" if each == NO_CLASS else class_names[each] for each in index]
    if [each.decode("utf-8", "replace") for each in outputs[CLASS_NAME]] != names:
        raise RefusedError(f"class_name of {name} is not the name of its class_index")


def sides(shape: Sequence[int | None] | None) -> str:
    """`[N, 10]`; `[?]` where not even the number of sides is known."""
    if shape is None:
        return "[?]"
    return f"[{', '.join('N' if side is None else str(side) for side in shape)}]"
