"""The converters: TensorFlow's own for TFLite, tf2onnx for ONNX.

Both are given the part of `predict_pixels` that gives the probabilities: class names are strings,
of which TFLite has none, and which tf2onnx makes an input that nobody can fill.

    from components.export.convert import convert
    from components.export.formats import FORMATS

    served = tf.saved_model.load("runs/digits/serving/1764497700")
    converted = convert(served.signatures["predict_pixels"], FORMATS["tflite"], calibration=())
    Path("model.tflite").write_bytes(converted.content)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.export.formats import INPUT, ONNX, OPSET, OUTPUT, Format
from components.model_check.answers import RefusedError

_SHOWN = 300
"""Characters of a converter's error that are shown."""


@dataclass(frozen=True)
class Converted:
    """What a converter wrote.

    Attributes:
      content: of the file.
      converter: its name.
      version: its version.
    """

    content: bytes
    converter: str
    version: str


def convert(
    predict_pixels: Any, format_: Format, calibration: Iterable[NDArray[np.float32]]
) -> Converted:
    """Converts a served model.

    Args:
      predict_pixels: the signature, or a function like it: `pixels` float32 [N, S, S, 3] to a
        mapping with `probabilities` float32 [N, C].
      format_: to convert to.
      calibration: images float32 [1, S, S, 3] in [0, 1], read once; for 8-bit numbers alone.

    Raises:
      RefusedError: the converter cannot convert it.
    """
    name = "tf2onnx" if format_.name == ONNX else "TFLiteConverter"
    try:
        traced = _trace(predict_pixels, format_.batch)
        if format_.name == ONNX:
            return Converted(_to_onnx(traced), name, version("tf2onnx"))
        return Converted(_to_tflite(traced, format_, list(calibration)), name, tf.__version__)
    except Exception as error:  # Whatever a converter raises.
        says = " ".join(str(error).split())[:_SHOWN]
        raise RefusedError(f"{name} cannot convert the model: {says}") from error


def _trace(predict_pixels: Any, batch: int | None) -> Any:
    """The graph from pixels to probabilities alone, for so many images."""
    shape = predict_pixels.structured_input_signature[1][INPUT].shape[1:]

    @tf.function(
        input_signature=[tf.TensorSpec([batch, *shape], tf.float32, name=INPUT)], autograph=False
    )
    def probabilities(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        return {OUTPUT: predict_pixels(pixels=pixels)[OUTPUT]}

    return probabilities.get_concrete_function()


def _to_tflite(traced: Any, format_: Format, images: list[NDArray[np.float32]]) -> bytes:
    """TFLite's file, of its built-in operations alone."""
    # Whatever owns the weights; without an owner the model has no signature, and no names.
    owner = tf.Module()
    owner.weights = list(traced.variables)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], owner)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if format_.name == "tflite-float16":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    if format_.needs_calibration:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        # No operation falls back to floats: then the conversion fails.
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.representative_dataset = lambda: ([image] for image in images)
    return bytes(converter.convert())


def _to_onnx(traced: Any) -> bytes:
    import onnx
    import tf2onnx.convert
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    # Frozen first: of the signature itself tf2onnx makes the class names an input.
    frozen = convert_variables_to_constants_v2(traced)
    output = frozen.outputs[0].name
    model, _ = tf2onnx.convert.from_graph_def(
        frozen.graph.as_graph_def(),
        name=OUTPUT,
        input_names=[f"{INPUT}:0"],
        output_names=[output],
        opset=OPSET,
        tensors_to_rename={f"{INPUT}:0": INPUT, output: OUTPUT},
    )
    _keep_pads(model.graph)
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _keep_pads(graph: Any) -> None:
    """Puts an operation that changes nothing between a Pad and a MaxPool.

    ONNX Runtime 1.17 (microsoft/onnxruntime#18136) to 1.23 at least, the last for Python 3.10,
    makes one of the two and pads with -infinity, where BiT pads with 0: other probabilities.
    """
    from onnx import helper, numpy_helper

    padded = {name for node in graph.node if node.op_type == "Pad" for name in node.output}
    pools = [node for node in graph.node if node.op_type == "MaxPool" and node.input[0] in padded]
    if pools:
        lowest = np.array(np.finfo(np.float32).min)
        graph.initializer.append(numpy_helper.from_array(lowest, "lowest"))
    for pool in pools:
        kept = f"{pool.input[0]}/kept"
        graph.node.insert(
            list(graph.node).index(pool),
            helper.make_node("Max", [pool.input[0], "lowest"], [kept], name=kept),
        )
        pool.input[0] = kept
