"""Real conversions of a real model, held against its forward pass in NumPy."""

import io

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from PIL import Image

from components.export.convert import convert
from components.export.formats import FORMATS, OPSET
from components.export.runtimes import load
from components.export.served import ask
from components.model_check.answers import RefusedError
from tests.components.trainer.jobs import CLASSES
from tests.numpy_bit import NumpyBiT

SIDE, GROUPS = 24, 8
WITHIN = {"tflite": 1e-5, "onnx": 1e-5, "tflite-float16": 5e-3, "tflite-int8": 0.2}
"""By which a probability may differ from NumPy's, which computes in float64."""


@pytest.fixture(scope="module")
def pixels(judged):
    """Decoded by Pillow, and resized by TensorFlow, as the served model says that it does."""

    def decoded(image):
        with Image.open(io.BytesIO(image)) as opened:
            return np.asarray(opened.convert("RGB"), np.float32)

    images = [tf.image.resize(decoded(each.image), (SIDE, SIDE)) / 255 for each in judged[:20]]
    return np.stack(images).astype(np.float32)


@pytest.fixture(scope="module")
def expected(pushed, pixels):
    """Probabilities of NumPy's forward pass with the weights in the SavedModel."""
    stored = tf.saved_model.load(str(pushed)).model_variables
    weights = {each.name.removesuffix(":0"): each.numpy() for each in stored}
    kernel, bias = (weights.pop(name).astype(np.float64) for name in ("head/kernel", "head/bias"))
    logits = NumpyBiT(weights, GROUPS)(pixels.astype(np.float64)) @ kernel + bias
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.fixture(scope="module")
def runtimes(conversions):
    return {
        name: load(each.content, FORMATS[name], SIDE, len(CLASSES))
        for name, each in conversions.items()
    }


@pytest.mark.parametrize("name", FORMATS)
def test_a_conversion_computes_what_numpy_computes(name, runtimes, pixels, expected):
    np.testing.assert_allclose(runtimes[name].answer(pixels), expected, atol=WITHIN[name])


@pytest.mark.parametrize("name", FORMATS)
def test_both_models_are_asked_for_the_same_images(name, pushed, served, runtimes, judged):
    answers = ask(served, runtimes[name], judged)
    assert list(answers.keys) == [image.key for image in judged]
    assert answers.labels.tolist() == [image.label for image in judged]
    predict_image = tf.saved_model.load(str(pushed)).signatures["predict_image"]
    own = predict_image(tf.constant([each.image for each in judged]))
    np.testing.assert_allclose(answers.served, own["probabilities"], atol=1e-5)
    assert answers.converted.shape == (len(judged), len(CLASSES))
    assert answers.left_out == {}


def operations(content):
    interpreter = tf.lite.Interpreter(model_content=content)
    interpreter.allocate_tensors()
    return interpreter, [each["op_name"] for each in interpreter._get_ops_details()]


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "onnx"])
def test_tflite_needs_its_own_operations_alone(name, conversions):
    _, names = operations(conversions[name].content)
    assert "CONV_2D" in names
    assert not [each for each in names if each.startswith(("Flex", "CUSTOM", "Custom"))]


def test_8_bit_numbers_are_all_that_is_inside(conversions):
    interpreter, names = operations(conversions["tflite-int8"].content)
    # The first operation makes them of the input, the last one floats of them.
    assert names.count("QUANTIZE") == names.count("DEQUANTIZE") == 1
    ends = interpreter.get_input_details() + interpreter.get_output_details()
    floats = {
        each["index"] for each in interpreter.get_tensor_details() if each["dtype"] == np.float32
    }
    assert floats == {each["index"] for each in ends}


def test_the_weights_shrink(conversions):
    size = {name: len(each.content) for name, each in conversions.items()}
    assert size["tflite-float16"] < 0.6 * size["tflite"]
    assert size["tflite-int8"] < 0.4 * size["tflite"]


def test_onnx_takes_any_number_of_images(conversions, runtimes, pixels):
    model = onnx.load_from_string(conversions["onnx"].content)
    assert [each.version for each in model.opset_import if each.domain == ""] == [OPSET]
    (given,) = model.graph.input
    sides = given.type.tensor_type.shape.dim
    assert sides[0].dim_param == "N"
    assert [side.dim_value for side in sides[1:]] == [SIDE, SIDE, 3]
    runtime = runtimes["onnx"]
    together = runtime.answer(pixels[:7])
    alone = [runtime.answer(pixels[row : row + 1])[0] for row in range(7)]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert runtime.answer(pixels[:0]).shape == (0, len(CLASSES))


def test_no_runtime_pads_the_pool_with_infinity(conversions, pixels, expected):
    """ONNX Runtime makes one of a Pad and a MaxPool, and forgets what was padded with."""
    model = onnx.load_from_string(conversions["onnx"].content)
    (pool,) = (node for node in model.graph.node if node.op_type == "MaxPool")
    (kept,) = (node for node in model.graph.node if pool.input[0] in node.output)
    (pad,) = (node for node in model.graph.node if kept.input[0] in node.output)
    assert (kept.op_type, pad.op_type) == ("Max", "Pad")
    for level in ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_ALL"):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        session = onnxruntime.InferenceSession(conversions["onnx"].content, options)
        (found,) = session.run(None, {"pixels": pixels})
        np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=level)


class Strange:
    """A signature with an operation that no converter has."""

    structured_input_signature = ((), {"pixels": tf.TensorSpec([None, SIDE, SIDE, 3])})

    def __call__(self, pixels):
        text = tf.strings.as_string(tf.reduce_mean(pixels, (1, 2)))
        return {"probabilities": tf.strings.to_number(tf.strings.upper(text))}


@pytest.mark.parametrize("name", ["tflite", "onnx"])
def test_what_cannot_be_converted_is_refused_by_name(name):
    """tf2onnx leaves such an operation in the file, and says that it succeeded."""
    says = {"tflite": "TFLiteConverter cannot convert the model: ", "onnx": "does not load in ONNX"}
    with pytest.raises(RefusedError, match=says[name]):
        load(convert(Strange(), FORMATS[name], []).content, FORMATS[name], SIDE, 3)
