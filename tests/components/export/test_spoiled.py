"""Every way in which a converter can go wrong and print success is refused by its name."""

import numpy as np
import onnx
import pytest
import tensorflow as tf

from components.evaluator.config import EvaluationConfig
from components.export.convert import convert
from components.export.formats import FORMATS
from components.export.judgement import judge_answers
from components.export.probe import probe
from components.export.runtimes import load
from components.export.served import ask
from components.model_check.answers import RefusedError
from tests.components.trainer.jobs import CLASSES

SIDE = 24
LAX = EvaluationConfig(min_accuracy=0.0)
"""A gate that every model passes: what is refused under it is refused as a conversion."""


class Changed:
    """`predict_pixels` with its input or its probabilities changed, as a bad converter does."""

    def __init__(self, predict_pixels, before=lambda x: x, after=lambda x: x):
        self.structured_input_signature = predict_pixels.structured_input_signature
        self._call, self._before, self._after = predict_pixels, before, after

    def __call__(self, pixels):
        found = self._call(pixels=self._before(pixels))["probabilities"]
        return {"probabilities": self._after(found)}


SPOILED = {
    "scale": {"before": lambda x: x / 255},
    "upside down": {"before": lambda x: x[:, ::-1]},
    "classes reversed": {"after": lambda x: tf.reverse(x, [1])},
    "classes moved": {"after": lambda x: tf.roll(x, 1, 1)},
    "constant": {"after": lambda x: x * 0 + 0.1},
}


@pytest.fixture(scope="module")
def judged_conversion(served, judged, calibration):
    def judge(predict_pixels, name, evaluation=LAX):
        format_ = FORMATS[name]
        content = convert(predict_pixels, format_, calibration).content
        answers = ask(served, load(content, format_, SIDE, len(CLASSES)), judged)
        return judge_answers(format_, evaluation, answers, {}, CLASSES)

    return judge


@pytest.mark.parametrize("name", ["tflite-int8", "onnx"])
@pytest.mark.parametrize("how", SPOILED)
def test_a_conversion_that_answers_something_else_is_refused(how, name, served, judged_conversion):
    found = judged_conversion(Changed(served.predict_pixels, **SPOILED[how]), name)
    failed = {each.key: each for each in found.gates if not each.passed}
    gate = failed["export.agreement"]
    assert gate.value == found.agreement.same_class < 0.9
    assert f"for {gate.value:.4f} of the images, and not 0.9000" in gate.sentence
    assert ("export.difference" in failed) == (name == "onnx")


def test_another_range_is_another_model(served, judged_conversion):
    """The network normalises what it sees: the classes hardly change, the probabilities do."""
    shifted = Changed(served.predict_pixels, before=lambda x: x * 2 - 1)
    for name in ("tflite", "tflite-float16", "onnx"):
        found = judged_conversion(shifted, name)
        assert any(each.endswith("it is a different model") for each in found.rejected), name


@pytest.mark.parametrize("name", FORMATS)
def test_a_whole_conversion_passes(name, served, judged_conversion):
    found = judged_conversion(served.predict_pixels, name, EvaluationConfig(min_accuracy=0.7))
    assert found.rejected == []
    assert found.agreement.same_class >= (1.0 if name in ("tflite", "onnx") else 0.95)


def test_a_little_off_is_another_model(served, judged_conversion):
    warm = Changed(served.predict_pixels, after=lambda x: tf.nn.softmax(tf.math.log(x) * 0.9))
    found = judged_conversion(warm, "onnx")
    assert found.agreement.same_class == 1.0
    (sentence,) = found.rejected
    assert sentence.startswith("the greatest difference of a probability is 0.0")
    assert sentence.endswith("more than 0.001: it is a different model")


@pytest.mark.parametrize("name", ["tflite", "onnx"])
def test_nan_is_named_with_its_number(name, served, judged_conversion):
    nan = Changed(served.predict_pixels, after=lambda x: x / (x - x))
    found = judged_conversion(nan, name)
    assert "the converted model answers NaN or infinity for 100 of 100 images" in found.rejected
    assert found.converted["", ""]["loss"].value is None
    assert found.agreement.greatest_difference is None


def test_numbers_that_are_no_probabilities_are_named(served, judged_conversion):
    logits = Changed(served.predict_pixels, after=lambda x: x * 3)
    found = judged_conversion(logits, "tflite")
    assert found.rejected[0].endswith("those of an image add up to 3.0000")


@pytest.mark.parametrize("name", ["tflite", "onnx"])
@pytest.mark.parametrize("content", [b"", b"junk", b"\0" * 4096])
def test_what_does_not_load_is_refused(name, content):
    with pytest.raises(RefusedError, match=r"the converted model does not load in"):
        load(content, FORMATS[name], SIDE, len(CLASSES))


@pytest.mark.parametrize(
    ("name", "says"), [("tflite", "ends with SIG|does not load"), ("onnx", "does not load")]
)
def test_a_file_that_was_cut_is_refused(name, says, conversions):
    """Of TensorFlow Lite it ends the process that loads it."""
    content = conversions[name].content
    with pytest.raises(RefusedError, match=says):
        probe(content[: len(content) // 2], FORMATS[name], SIDE, len(CLASSES))


@pytest.mark.parametrize("name", ["tflite-int8", "onnx"])
def test_a_whole_file_passes_the_probe(name, conversions):
    probe(conversions[name].content, FORMATS[name], SIDE, len(CLASSES))


@pytest.mark.parametrize("name", ["tflite", "onnx"])
def test_another_side_or_another_number_of_classes_is_refused(name, conversions):
    content = conversions[name].content
    with pytest.raises(RefusedError, match=r"the input of .* is pixels float32 \[.*24, 24, 3\]"):
        load(content, FORMATS[name], 32, len(CLASSES))
    with pytest.raises(RefusedError, match=r"the output of .* and not probabilities .* 11\]"):
        load(content, FORMATS[name], SIDE, 11)


def test_an_input_that_nobody_can_fill_is_refused(conversions):
    """What tf2onnx makes of a signature with class names, and calls a success."""
    model = onnx.load_from_string(conversions["onnx"].content)
    names = onnx.helper.make_tensor_value_info("names", onnx.TensorProto.STRING, [10])
    model.graph.input.append(names)
    with pytest.raises(RefusedError, match=r"the input of .* is pixels .* and names "):
        load(model.SerializeToString(), FORMATS["onnx"], SIDE, len(CLASSES))


def test_weights_of_another_model_are_refused(served, judged, conversions):
    model = onnx.load_from_string(conversions["onnx"].content)
    kernel = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    values = np.frombuffer(kernel.raw_data, np.float32)
    kernel.raw_data = np.roll(values, 1).tobytes()
    runtime = load(model.SerializeToString(), FORMATS["onnx"], SIDE, len(CLASSES))
    found = judge_answers(FORMATS["onnx"], LAX, ask(served, runtime, judged), {}, CLASSES)
    assert found.rejected
