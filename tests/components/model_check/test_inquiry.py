"""Every way to spoil a served model is refused by its name, and a whole one passes."""

import functools
import shutil

import numpy as np
import pytest
import tensorflow as tf

from components.model_check.config import ServingConfig
from components.model_check.findings import gates
from components.model_check.inquiry import Inquiry
from components.model_check.job import Expected, Job
from components.model_check.queries import every_format
from components.signatures import signatures
from components.trainer.train import train
from tests.components.trainer.jobs import CLASSES, make_job, png, write_examples, write_graph

SIDE, IMAGES = 24, 9


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    write_examples(folder)
    write_graph(folder)
    train(make_job(folder, "whole", schedule={"steps": 6, "boundaries": [4]}))
    return f"{folder}/whole/model"


@pytest.fixture(scope="module")
def images():
    return [png(index) for index in range(100, 100 + IMAGES)]


def example(image):
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[image]))
    features = tf.train.Features(feature={"image": feature})
    return tf.train.Example(features=features).SerializeToString()


@pytest.fixture(scope="module")
def job(served, images):
    """What an Evaluator stores: of plain Keras' forward pass, so from the pixels."""
    pixels = np.stack([tf.image.resize(tf.io.decode_png(each, 3), (SIDE, SIDE)) for each in images])
    model = tf.saved_model.load(served)
    found = model.signatures["predict_pixels"](tf.constant(pixels / 255))["probabilities"].numpy()
    expected = []
    for row in found.astype(float):
        top = np.argsort(-row)[:5]
        expected.append(
            Expected(
                label=3,
                label_probability=row[3],
                top_classes=top.tolist(),
                top_probabilities=row[top].tolist(),
            )
        )
    return Job(class_names=CLASSES, side=SIDE, split="eval", expected=tuple(expected))


@pytest.fixture(scope="module")
def ask(job, images):
    def found(folder, **changes):
        told = job.model_copy(update=changes)
        records = [example(image) for image in images]
        return Inquiry(str(folder), told, records, list(every_format(images[0]))).findings()

    return found


def refused(findings):
    """Name -> sentence of the checks that failed."""
    return {each.name: each.sentence for each in findings.checks if not each.passed}


@pytest.fixture(scope="module")
def whole(ask, served):
    return ask(served)


def test_a_whole_model_passes_every_check_and_is_measured(whole):
    assert refused(whole) == {}
    names = [each.name for each in whole.checks]
    assert names == [
        "load", "signatures", "labels", "answers", "latency", "batches", "predictions", "formats",
        "bad_image", "empty",
    ]  # fmt: skip
    assert whole.images == IMAGES
    assert 0 < whole.p50_ms <= whole.p99_ms
    assert whole.load_s > 0
    assert whole.memory_mb > 100
    assert whole.images_per_s > 0
    assert all(gate.passed for gate in gates(whole, ServingConfig()))


def test_limits_are_gates(whole):
    limits = ServingConfig(max_latency_ms=whole.p99_ms / 2, max_memory_mb=whole.memory_mb / 2)
    failed = {gate.key: gate for gate in gates(whole, limits) if not gate.passed}
    assert failed.keys() == {"serving.max_latency_ms", "serving.max_memory_mb"}
    assert failed["serving.max_memory_mb"].sentence.startswith("the memory of the model's process,")
    wide = ServingConfig(max_latency_ms=whole.p99_ms * 2, max_memory_mb=whole.memory_mb * 2)
    assert all(gate.passed for gate in gates(whole, wide))


def test_a_limit_on_what_could_not_be_measured_is_not_met(ask, tmp_path):
    found = ask(tmp_path)
    failed = [gate.key for gate in gates(found, ServingConfig(max_latency_ms=1)) if not gate.passed]
    assert failed == ["model_check.load", "serving.max_latency_ms"]


def cut(name, to):
    def spoil(folder):
        (file,) = folder.glob(name)
        file.write_bytes(file.read_bytes()[:to])

    return spoil


def remove(name):
    return lambda folder: [file.unlink() for file in folder.glob(name)]


def without_an_op(folder):
    """As of an op that TensorFlow alone does not have; the names have the same length."""
    file = folder / "saved_model.pb"
    text = file.read_bytes()
    assert b"\x12\x07Softmax" in text
    file.write_bytes(text.replace(b"\x12\x07Softmax", b"\x12\x07Zoftmax"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (remove("saved_model.pb"), "has no saved_model.pb"),
        (cut("saved_model.pb", 5_000), "does not load"),
        (cut("variables/variables.data*", 1_000), "does not load"),
        (remove("variables/variables.index"), "does not load"),
        (remove("variables/*"), "does not load"),
        (without_an_op, "Zoftmax"),
    ],
    ids=["no graph", "graph cut", "weights cut", "no index", "no weights", "an op is missing"],
)
def test_damaged_files_are_refused(ask, served, tmp_path, spoil, words):
    folder = tmp_path / "model"
    shutil.copytree(served, folder)
    spoil(folder)
    found = refused(ask(folder))
    assert list(found) == ["load"]
    assert words in found["load"]
    assert "\n" not in found["load"]


class Changed(tf.Module):
    """A model whose answers, or whose inputs, are changed."""

    def __init__(self, folder, change):
        super().__init__()
        self.model = tf.saved_model.load(folder)
        self.change = change
        self.functions = {}
        for each in signatures(len(CLASSES), SIDE):
            specs = [
                tf.TensorSpec(tensor.shape, tensor.dtype, name=name)
                for name, tensor in each.inputs.items()
            ]
            answer = functools.partial(self._answer, each.name)
            self.functions[each.name] = tf.function(answer, input_signature=specs, autograph=False)

    def _answer(self, name, *given):
        signature = self.model.signatures[name]
        return self.change(name, signature, *given)


def outputs_changed(change, only=()):
    """Changes the outputs that have probabilities."""

    def answer(name, signature, *given):
        outputs = dict(signature(*given))
        return change(outputs) if name != "labels" and (not only or name in only) else outputs

    return answer


def with_output(**makers):
    def change(outputs):
        return {**outputs, **{name: make(outputs) for name, make in makers.items()}}

    return outputs_changed(change)


def permuted_labels(name, signature, *given):
    outputs = dict(signature(*given))
    return {"labels": tf.roll(outputs["labels"], 1, 0)} if name == "labels" else outputs


def permuted_columns(outputs):
    index = (outputs["class_index"] + 1) % 10
    moved = {"probabilities": tf.roll(outputs["probabilities"], 1, 1), "class_index": index}
    return {**outputs, **moved, "class_name": tf.strings.as_string(index)}


def shifted(outputs):
    """The highest probability is 1e-3 higher, and the others as much lower together."""
    highest = tf.one_hot(outputs["class_index"], len(CLASSES))
    moved = 1e-3 * (highest - (1 - highest) / (len(CLASSES) - 1))
    return {**outputs, "probabilities": outputs["probabilities"] + moved}


def depends_on_the_others(outputs):
    mean = tf.reduce_mean(outputs["probabilities"], axis=0, keepdims=True)
    return {**outputs, "probabilities": outputs["probabilities"] * 0.99 + mean * 0.01}


def another_preprocessing(name, signature, *given):
    """Colours upside down, in the two signatures that decode."""
    if name != "predict_image":
        return dict(signature(*given))
    (encoded,) = given
    darker = tf.map_fn(
        lambda image: tf.io.encode_png(255 - tf.io.decode_image(image, 3, expand_animations=False)),
        encoded,
        fn_output_signature=tf.string,
    )
    return dict(signature(darker))


def fails_for_a_bad_image(name, signature, *given):
    outputs = dict(signature(*given))
    if name != "predict_image":
        return outputs
    with tf.control_dependencies([tf.debugging.assert_equal(outputs["valid"], True)]):
        return {key: tf.identity(value) for key, value in outputs.items()}


def fails_without_rows(name, signature, *given):
    outputs = dict(signature(*given))
    if name == "labels":
        return outputs
    count = tf.shape(outputs["class_index"])[0]
    with tf.control_dependencies([tf.debugging.assert_positive(count)]):
        return {key: tf.identity(value) for key, value in outputs.items()}


SPOILED = {
    "wrong dtype": (
        with_output(class_index=lambda found: tf.cast(found["class_index"], tf.int32)),
        "signatures",
        "the output class_index of the signature serving_default is int32 [N], and not int64 [N]",
    ),
    "an output is missing": (
        outputs_changed(lambda found: {k: v for k, v in found.items() if k != "valid"}),
        "signatures",
        "has the outputs class_index, class_name, error, probabilities, and not",
    ),
    "a class too many": (
        with_output(probabilities=lambda found: tf.pad(found["probabilities"], [[0, 0], [0, 1]])),
        "signatures",
        "float32 [N, 11], and not float32 [N, 10]",
    ),
    "labels permuted": (permuted_labels, "labels", "its column 0 is named '9'"),
    "columns permuted": (
        outputs_changed(permuted_columns),
        "predictions",
        "other probabilities than the Evaluator stored",
    ),
    "NaN": (
        with_output(probabilities=lambda found: found["probabilities"] * float("nan")),
        "answers",
        "NaN or infinite",
    ),
    "no sum of 1": (
        with_output(probabilities=lambda found: found["probabilities"] * 2.0),
        "answers",
        "do not add up to 1",
    ),
    "class_index of another class": (
        with_output(class_index=lambda found: (found["class_index"] + 1) % 10),
        "answers",
        "class_index of serving_default is not the most probable class",
    ),
    "class_name of another class": (
        with_output(class_name=lambda found: tf.strings.as_string(found["class_index"] + 1)),
        "answers",
        "class_name of serving_default is not the name",
    ),
    "another preprocessing": (another_preprocessing, "predictions", "predict_image gives other"),
    "off by 1e-3": (outputs_changed(shifted), "predictions", "they differ by up to 0.001"),
    "depends on the request": (
        outputs_changed(depends_on_the_others, only=("predict_image",)),
        "batches",
        "other probabilities in a request of 7 images",
    ),
    "a bad image fails the request": (fails_for_a_bad_image, "bad_image", "bad_image: "),
    "an empty request fails": (fails_without_rows, "empty", "empty: "),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_model_is_refused(ask, served, tmp_path, name):
    change, check, words = SPOILED[name]
    module = Changed(served, change)
    found = {key: each.get_concrete_function() for key, each in module.functions.items()}
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=found)
    failed = refused(ask(tmp_path / "model"))
    assert check in failed
    assert words in failed[check]


def test_a_missing_signature_is_refused(ask, served, tmp_path):
    module = Changed(served, lambda name, signature, *given: dict(signature(*given)))
    found = {key: each.get_concrete_function() for key, each in module.functions.items()}
    found.pop("predict_pixels")
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=found)
    failed = refused(ask(tmp_path / "model"))
    assert failed == {"signatures": "the signature predict_pixels is missing"}


def test_weights_of_nan_have_no_answers(ask, served, tmp_path):
    module = tf.saved_model.load(served)
    for variable in module.model_variables:
        variable.assign(variable * float("nan"))
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=module.signatures)
    failed = refused(ask(tmp_path / "model"))
    assert failed["answers"].endswith("the network gives NaN or infinity for it")


def test_a_slow_model_is_refused_by_the_limit(ask, served, tmp_path):
    def slow(name, signature, *given):
        outputs = dict(signature(*given))
        if name != "predict_image":
            return outputs
        work = tf.while_loop(
            lambda step, _: step < 200,
            lambda step, matrix: (step + 1, tf.linalg.matmul(matrix, matrix) / 300.0),
            (0, tf.ones((300, 300)) * outputs["probabilities"][0, 0]),
            shape_invariants=(tf.TensorShape(()), tf.TensorShape((300, 300))),
        )[1]
        outputs["probabilities"] += 0.0 * tf.reduce_mean(work)
        return outputs

    module = Changed(served, slow)
    found = {key: each.get_concrete_function() for key, each in module.functions.items()}
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=found)
    plain, slowed = ask(served), ask(tmp_path / "model")
    assert slowed.p50_ms > 2 * plain.p50_ms
    limit = ServingConfig(max_latency_ms=(plain.p50_ms * slowed.p99_ms) ** 0.5)
    assert "serving.max_latency_ms" in {g.key for g in gates(slowed, limit) if not g.passed}


def test_other_class_names_are_refused(ask, served):
    failed = refused(ask(served, class_names=("zero", *CLASSES[1:])))
    assert "its column 0 is named '0', and the data's class 0 is 'zero'" in failed["labels"]
