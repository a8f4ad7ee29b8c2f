"""One step on one device and on several, with the real backbone, input pipeline and export."""

import json
import os
import subprocess
import sys

import pytest
import tensorflow as tf

from components.trainer.strategy import make_strategy
from pipeline.code import ROOT

TRAIN = """
import functools, io, json, os, sys
from types import SimpleNamespace
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import apache_beam as beam
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from PIL import Image
from sklearn.datasets import load_digits
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils
from components.errors import UserError
from components.trainer import run_fn
from components.trainer.backbone_config import SHIPPED
from components.trainer.config import TrainingConfig
from components.trainer.settings import TrainerSettings
from components.transform.config import PreprocessingConfig
from components.transform.preprocessing import preprocessing_fn

folder = sys.argv[1]
scans = load_digits()


def png(index):
    stream = io.BytesIO()
    Image.fromarray((scans.images[index] * 15.9).astype("uint8")).save(stream, "PNG")
    return stream.getvalue()


# The last eval batch holds one image, which leaves the second device none.
splits = {"train": range(100), "eval": range(100, 133)}
for name, indices in splits.items():
    with tf.io.TFRecordWriter(f"{folder}/{name}.gz", "GZIP") as writer:
        for index in indices:
            image = tf.train.BytesList(value=[png(index)])
            label = tf.train.Int64List(value=[scans.target[index]])
            features = {"image": tf.train.Feature(bytes_list=image),
                        "label": tf.train.Feature(int64_list=label)}
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
spec = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}
metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
resize = functools.partial(preprocessing_fn, custom_config={"resize": 24})
with beam.Pipeline(runner="FnApiRunner") as pipeline, tft_beam.Context(f"{folder}/tmp"):
    data = pipeline | beam.Create([{"image": png(0), "label": 0}]), metadata
    _, graph = data | tft_beam.AnalyzeAndTransformDataset(resize)
    _ = graph | tft_beam.WriteTransformFn(f"{folder}/graph")
metadata_io.write_metadata(metadata, f"{folder}/graph/metadata")

kept, export = [], run_fn.export
run_fn.export = lambda model, *rest: (kept.append(model), export(model, *rest))


def train(strategy, batch_size=32):
    settings = TrainerSettings(
        backbone_path=str(SHIPPED["bit-mini"]),
        backbone_sha256="",
        mode="full",
        class_names=tuple("0123456789"),
        preprocessing=PreprocessingConfig(resize=24, crop=20),
        training=TrainingConfig(
            batch_size=batch_size,
            base_learning_rate=0.4,
            schedule={"steps": 9, "boundaries": [4]},
            steps_per_epoch=1,
            epochs=6,
            early_stopping_patience=9,
            strategy=strategy,
        ),
    )
    arguments = SimpleNamespace(
        custom_config={"settings": settings.model_dump_json()},
        transform_output=f"{folder}/graph",
        train_files=[f"{folder}/train.gz"],
        eval_files=[f"{folder}/eval.gz"],
        model_run_dir=f"{folder}/{strategy}/run",
        serving_model_dir=f"{folder}/{strategy}/model",
    )
    run_fn.run_fn(arguments)
    served = tf.saved_model.load(arguments.serving_model_dir)
    answer = served.signatures["predict_image"](tf.constant([png(0), png(1), png(2)]))
    return {
        "history": json.load(open(f"{arguments.model_run_dir}/history.json")),
        "signatures": sorted(served.signatures),
        "probabilities": answer["probabilities"].numpy().tolist(),
    }


came = {strategy: train(strategy) for strategy in ("one_device", "mirrored")}
mirrored = kept[1].trainable_variables
came["devices"] = [len(variable.values) for variable in mirrored]
came["apart"] = max(
    float(tf.reduce_max(abs(variable.values[0] - variable.values[1]))) for variable in mirrored
)
try:
    train("mirrored", 33)
except UserError as error:
    came["refused"] = str(error)
print("CAME" + json.dumps(came), flush=True)
# As every worker of ours ends: TensorFlow 2.21 can crash while its strategies are taken down.
os._exit(0)
"""


@pytest.fixture(scope="module")
def came(tmp_path_factory):
    """Six steps on one device and on two, which are virtual, in a process of their own."""
    folder = tmp_path_factory.mktemp("strategy")
    ran = subprocess.run(
        [sys.executable, "-c", TRAIN, str(folder)],
        cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-4000:]
    return json.loads(ran.stdout.rpartition("CAME")[2])


def test_two_devices_learn_what_one_learns(came):
    one, two = came["one_device"]["history"], came["mirrored"]["history"]
    for before, after in zip(one, two, strict=True):
        assert after == pytest.approx(before, abs=1e-5)
    assert one[0]["loss"] - one[-1]["loss"] > 0.05


def test_every_weight_of_the_backbone_is_on_both_devices_and_the_same(came):
    assert set(came["devices"]) == {2}
    assert len(came["devices"]) > 20
    assert came["apart"] == 0


def test_the_exported_model_is_the_same(came):
    one, two = came["one_device"], came["mirrored"]
    assert two["signatures"] == one["signatures"] == ["predict_image", "serving_default"]
    for before, after in zip(one["probabilities"], two["probabilities"], strict=True):
        assert after == pytest.approx(before, abs=1e-5)


def test_epochs_end_training_before_the_schedule_does(came):
    assert [row["epoch"] for row in came["mirrored"]["history"]] == [1, 2, 3, 4, 5, 6]


def test_a_batch_that_cannot_be_shared_out_is_refused(came):
    assert "training.batch_size 33 does not divide by the 2 devices" in came["refused"]
    assert "a multiple of 2, or one_device" in came["refused"]


@pytest.mark.parametrize("kind", ["auto", "one_device"])
def test_a_machine_without_gpus_trains_on_one_device(kind):
    assert make_strategy(kind, 7) is tf.distribute.get_strategy()
