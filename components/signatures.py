"""The signatures of a served model: what each takes and gives. The contract with every client.

`components.trainer.served_model` writes such a model, ModelCheck holds a model to it, and its card
shows it. It needs no TensorFlow.

>>> for signature in signatures(classes=3, side=32):
...     print(signature.name, *signature.inputs, "->", *signature.outputs)
serving_default examples -> probabilities class_index class_name valid error
predict_image image_bytes -> probabilities class_index class_name valid error
predict_pixels pixels -> probabilities class_index class_name
labels -> labels
>>> signatures(classes=3, side=32)[2].inputs["pixels"].text
'float32 [N, 32, 32, 3], decoded images: RGB from 0 to 1'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SERVING_DEFAULT = "serving_default"
PREDICT_IMAGE = "predict_image"
PREDICT_PIXELS = "predict_pixels"
LABELS = "labels"

LABELS_FILE = "assets.extra/labels.txt"
"""Class names in the order of the columns, one a line; TensorFlow loads nothing from there."""

PROBABILITIES = "probabilities"
CLASS_INDEX = "class_index"
CLASS_NAME = "class_name"
VALID = "valid"
ERROR = "error"


@dataclass(frozen=True)
class Tensor:
    """One input or output.

    Attributes:
      dtype: as TensorFlow calls it.
      shape: sides; None is the number of rows.
      holds: what is in it.
    """

    dtype: str
    shape: tuple[int | None, ...]
    holds: str

    def of(self, rows: int) -> tuple[int, ...]:
        """The shape for so many rows."""
        return tuple(rows if side is None else side for side in self.shape)

    @property
    def text(self) -> str:
        """`float32 [N, 10], the probability of each class`."""
        sides = ", ".join("N" if side is None else str(side) for side in self.shape)
        return f"{self.dtype} [{sides}], {self.holds}"


@dataclass(frozen=True)
class Signature:
    """One way to call the model: its inputs and outputs by name."""

    name: str
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]


def signatures(classes: int, side: int) -> tuple[Signature, ...]:
    """The signatures of a model.

    Args:
      classes: how many it knows.
      side: of the images that its network sees, in pixels.
    """
    answers = {
        PROBABILITIES: Tensor("float32", (None, classes), "the probability of each class"),
        CLASS_INDEX: Tensor(
            "int64",
            (None,),
            "the most probable class, from 0; -1 below serving.min_confidence",
        ),
        CLASS_NAME: Tensor("string", (None,), "its name; empty if the index is -1"),
    }
    checked = {
        **answers,
        VALID: Tensor(
            "bool",
            (None,),
            "whether there is a prediction; without one the probabilities are NaN, the index is -1 "
            "and the name is empty",
        ),
        ERROR: Tensor("string", (None,), "why there is none; empty if there is one"),
    }
    examples = Tensor("string", (None,), "serialized tf.Examples with an encoded image as `image`")
    encoded = Tensor(
        "string",
        (None,),
        "encoded images: JPEG, PNG, GIF or BMP; transparency and orientation are followed",
    )
    pixels = Tensor("float32", (None, side, side, 3), "decoded images: RGB from 0 to 1")
    names = Tensor("string", (classes,), "the names of the columns of `probabilities`")
    return (
        Signature(SERVING_DEFAULT, {"examples": examples}, checked),
        Signature(PREDICT_IMAGE, {"image_bytes": encoded}, checked),
        Signature(PREDICT_PIXELS, {"pixels": pixels}, answers),
        Signature(LABELS, {}, {LABELS: names}),
    )
