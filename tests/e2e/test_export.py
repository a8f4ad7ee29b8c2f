"""A model of a real run for other runtimes: judged by the run's own images and gates.

The tests build on each other in their order, as in test_digits.
"""

import io
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_digits

from components.digests import digest_of_folder
from components.export.formats import FORMATS
from components.pusher.versions import ADDED
from tests.command import bit_tfx
from tests.e2e.conftest import QUICK

pytestmark = pytest.mark.slow

SIDE, HELD_OUT = 32, range(1617, 1797)
"""Of QUICK: the eval split is digits' train[90%:]."""


@pytest.fixture(scope="module")
def first(run, tmp_path_factory):
    ended = run(tmp_path_factory.mktemp("export"), *QUICK, "evaluation.max_regression=0.05")
    assert ended.exit_code == 0, ended.out + ended.err
    return ended


@pytest.fixture(scope="module")
def images():
    """Scans as PNGs, and their classes."""
    scans = load_digits()

    def png(scan):
        stream = io.BytesIO()
        Image.fromarray((scan * 15.9).astype("uint8")).save(stream, "PNG")
        return stream.getvalue()

    return [png(scans.images[index]) for index in HELD_OUT], scans.target[list(HELD_OUT)]


@pytest.fixture(scope="module")
def folder(images, tmp_path_factory):
    """The same as a folder of class folders."""
    top = tmp_path_factory.mktemp("images")
    for number, (image, label) in enumerate(zip(*images, strict=True)):
        (top / str(label)).mkdir(exist_ok=True)
        (top / str(label) / f"{number}.png").write_bytes(image)
    return top


def probabilities_of(exported, pixels):
    """By the runtimes themselves, and nothing of ours."""
    if exported.suffix == ".onnx":
        import onnxruntime

        return onnxruntime.InferenceSession(exported).run(None, {"pixels": pixels})[0]
    interpreter = tf.lite.Interpreter(str(exported))
    runner = interpreter.get_signature_runner()
    return np.concatenate([runner(pixels=image[None])["probabilities"] for image in pixels])


def examples_of(first):
    """Images and classes of the eval split, as the run stored them."""
    (split,) = (first.output / "artifacts").glob("ImageExampleGen/examples/*/Split-eval")
    files = [str(path) for path in split.iterdir()]
    for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        yield features["image"].bytes_list.value[0], features["label"].int64_list.value[0]


@pytest.mark.parametrize("name", ["tflite-int8", "onnx"])
def test_a_served_model_is_exported_and_its_record_is_true(first, name):
    ran = bit_tfx("export", first.output / "serving", "--format", name)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (version,) = first.served
    target = first.output / "exports" / version / name
    assert ran.stdout.splitlines()[-1] == str(target / FORMATS[name].file)
    assert ran.stderr == ""
    record = json.loads((target / "export.json").read_text())
    encoded, labels = zip(*examples_of(first), strict=True)
    decoded = [
        np.asarray(Image.open(io.BytesIO(each)).convert("RGB"), np.float32) for each in encoded
    ]
    pixels = np.stack([tf.image.resize(each, (SIDE, SIDE)) / 255 for each in decoded])
    found = probabilities_of(target / FORMATS[name].file, pixels)
    # Rounding in the last bit of a pixel moves 8-bit numbers by one.
    within = 0.02 if name == "tflite-int8" else 1e-6
    right = float((found.argmax(1) == labels).mean())
    assert record["metrics"]["accuracy"] == pytest.approx(right, abs=within)
    loss = -np.log(found[np.arange(len(labels)), labels].clip(1e-7, 1)).mean()
    assert record["metrics"]["loss"] == pytest.approx(loss, abs=within + 1e-4)
    own = tf.saved_model.load(f"{first.output}/serving/{version}").signatures["predict_image"]
    served = own(tf.constant(encoded))["probabilities"].numpy()
    assert record["agreement"]["same_class"] == pytest.approx(
        (served.argmax(1) == found.argmax(1)).mean(), abs=within
    )
    greatest = abs(served - found).max()
    assert record["agreement"]["greatest_difference"] == pytest.approx(greatest, abs=within + 1e-5)
    judged = first.summary["metrics"]["accuracy"]
    assert record["served_metrics"]["accuracy"] == pytest.approx(judged)
    serving = first.output / "serving" / version
    assert record["source"]["digest"] == digest_of_folder(serving, leave_out=ADDED)
    assert record["calibration_images"] == (200 if name == "tflite-int8" else 0)
    assert (target / "labels.txt").read_text().split() == list("0123456789")
    names = [gate["key"] for gate in record["gates"]]
    assert names[-2:] == ["evaluation.min_accuracy", "evaluation.max_regression"]


def test_a_gate_that_fails_leaves_nothing(first, tmp_path):
    """The floor of the run, raised to what no model of it reaches."""
    output = tmp_path / "copy"
    shutil.copytree(first.output, output)
    shutil.rmtree(output / "exports")
    (path,) = output.glob("logs/*/config.json")
    config = json.loads(path.read_text())
    config["evaluation"]["min_accuracy"] = 1.0
    config["evaluation"]["confident"] = True
    path.write_text(json.dumps(config))
    ran = bit_tfx("export", output / "serving", "--format", "tflite")
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert "is below evaluation.min_accuracy 1.0000" in ran.stderr
    assert ran.stderr.startswith("rejected: the lower end ")
    assert "Nothing was written to" in ran.stdout
    assert not (output / "exports").exists()


def test_a_model_whose_files_changed_is_not_that_of_the_run(first, tmp_path):
    output = tmp_path / "copy"
    shutil.copytree(first.output, output)
    with (output / "serving" / first.served[0] / "saved_model.pb").open("ab") as file:
        file.write(b"\x1a\x00")
    ran = bit_tfx("export", output / "serving", "--format", "tflite")
    assert ran.returncode == 2
    assert "is not the model that the run" in ran.stderr


def test_a_model_elsewhere_is_judged_by_a_folder(first, folder, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(first.output / "serving" / first.served[0], model)
    (folder / "3" / "text.png").write_bytes(b"no image")
    to = tmp_path / "to"
    arguments = ("export", model, "--format", "tflite-int8", "--to", to)
    ran = bit_tfx(*arguments)
    assert ran.returncode == 2
    assert "add --examples DIR" in ran.stderr
    assert not to.exists()
    ran = bit_tfx(*arguments, "--examples", folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    record = json.loads((to / "export.json").read_text())
    assert record["calibration_images"] + record["agreement"]["images"] == len(HELD_OUT)
    assert 30 <= record["calibration_images"] <= 36
    assert record["judged_by"] == str(folder)
