"""Converted models in the runtimes that they are for: TensorFlow Lite's interpreter, ONNX Runtime.

A file is looked at when it is loaded, and then asked:

    from components.export.formats import FORMATS
    from components.export.runtimes import load

    model = load(Path("model.onnx").read_bytes(), FORMATS["onnx"], side=32, classes=10)
    model.answer(pixels).argmax(axis=1)
"""

from __future__ import annotations

import abc
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.export.formats import INPUT, ONNX, OUTPUT, Format
from components.model_check.answers import RefusedError, sides

Pixels = NDArray[np.float32]
"""Images [N, S, S, 3] in [0, 1], or probabilities [N, C]."""


_Tensor = tuple[str, str, tuple["int | None", ...]]
"""Name, dtype and shape, None for any number."""


class Runtime(abc.ABC):
    """A converted model, loaded.

    Attributes:
      name: of the runtime.
      version: of the runtime.
      inputs: name, dtype and shape of each, None for any number of images.
      outputs: the same.
    """

    name: str
    version: str
    inputs: list[_Tensor]
    outputs: list[_Tensor]

    @abc.abstractmethod
    def answer(self, pixels: Pixels) -> Pixels:
        """Probabilities float32 [N, C] of images float32 [N, S, S, 3]."""


def load(content: bytes, format_: Format, side: int, classes: int) -> Runtime:
    """Loads a converted model, and looks at its input and its output.

    Args:
      content: of the file.
      format_: that it is in.
      side: of the images that the network sees, in pixels.
      classes: how many it knows.

    Raises:
      RefusedError: it does not load, or takes or gives something else.
    """
    kind: type[_Onnx] | type[_TFLite] = _Onnx if format_.name == ONNX else _TFLite
    try:
        loaded = kind(content)
    except Exception as error:  # Whatever a runtime raises.
        says = " ".join(str(error).split())[:300]
        raise RefusedError(f"the converted model does not load in {kind.name}: {says}") from error
    _check("input", loaded.inputs, (INPUT, "float32", (format_.batch, side, side, 3)))
    _check("output", loaded.outputs, (OUTPUT, "float32", (format_.batch, classes)))
    return loaded


def _check(what: str, found: Sequence[_Tensor], wanted: _Tensor) -> None:
    if list(found) == [wanted]:
        return
    said = " and ".join(f"{name} {dtype} {sides(shape)}" for name, dtype, shape in found) or "none"
    name, dtype, shape = wanted
    raise RefusedError(
        f"the {what} of the converted model is {said}, and not {name} {dtype} {sides(shape)}"
    )


class _TFLite(Runtime):
    name = "TensorFlow Lite's interpreter"

    def __init__(self, content: bytes):
        import tensorflow as tf

        self.version = tf.__version__
        with warnings.catch_warnings():
            # Of TensorFlow >= 2.20, which sends to ai-edge-litert: the same code.
            warnings.simplefilter("ignore", UserWarning)
            self._interpreter = tf.lite.Interpreter(model_content=content)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()
        # The tensors' own names are of the graph; those of the signature are what is called.
        (signature,) = self._interpreter.get_signature_list().values()
        self.inputs = [_described(self._input, name) for name in signature["inputs"]]
        self.outputs = [_described(self._output, name) for name in signature["outputs"]]

    def answer(self, pixels: Pixels) -> Pixels:
        found = []
        for image in pixels:
            self._interpreter.set_tensor(self._input["index"], image[np.newaxis])
            self._interpreter.invoke()
            found.append(self._interpreter.get_tensor(self._output["index"])[0])
        return np.stack(found)


def _described(detail: dict[str, Any], name: str) -> _Tensor:
    shape = tuple(None if side < 0 else int(side) for side in detail["shape_signature"])
    return name, np.dtype(detail["dtype"]).name, shape


class _Onnx(Runtime):
    name = "ONNX Runtime"

    def __init__(self, content: bytes):
        import onnxruntime

        self.version = onnxruntime.__version__
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # Errors alone.
        self._session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )
        self.inputs = [_declared(each) for each in self._session.get_inputs()]
        self.outputs = [_declared(each) for each in self._session.get_outputs()]

    def answer(self, pixels: Pixels) -> Pixels:
        (found,) = self._session.run([OUTPUT], {INPUT: pixels})
        return np.asarray(found)


def _declared(tensor: Any) -> _Tensor:
    shape = tuple(side if isinstance(side, int) else None for side in tensor.shape)
    return tensor.name, tensor.type.replace("tensor(float)", "float32"), shape
