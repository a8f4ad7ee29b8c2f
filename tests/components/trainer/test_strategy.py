"""One step on one device and on several, with the real backbone, input pipeline and export."""

import json
import os
import subprocess
import sys

import pytest
import tensorflow as tf

from components.trainer.config import TrainingConfig
from components.trainer.strategy import make_strategy
from pipeline.inputs.code import ROOT

TRAIN = """
import json, os, sys
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from components.errors import UserError
from components.trainer import train as module
from tests.components.trainer.jobs import learned, make_job, png, write_examples, write_graph

folder = sys.argv[1]
# The last eval batch holds one image, which leaves the second device none.
write_examples(folder)
write_graph(folder)
kept, export = [], module.export
module.export = lambda model, *rest: (kept.append(model), export(model, *rest))


def train(name, base=None, **training):
    job = make_job(folder, name, **{
        "crop": 20, "flip": True, "schedule": {"steps": 9, "boundaries": [4]}, "epochs": 6,
        "early_stopping_patience": 9, **training})
    job = job.model_copy(update={"base_model": base})
    module.train(job)
    served = tf.saved_model.load(job.serving_model)
    answer = served.signatures["predict_image"](tf.constant([png(0), png(1), png(2)]))
    return {
        "history": learned(json.load(open(f"{job.model_run}/history.json"))),
        "signatures": sorted(served.signatures),
        "probabilities": answer["probabilities"].numpy().tolist(),
    }


came = {strategy: train(strategy, strategy=strategy) for strategy in ("one_device", "mirrored")}
mirrored = kept[1].trained
came["parts"] = train("parts", strategy="mirrored", batch_split=4)
came["frozen"] = [
    train(f"frozen {strategy}", mode="head_only", strategy=strategy, crop=None, flip=False)
    for strategy in ("one_device", "mirrored")
]
recipe = {
    "schedule": {"steps": 9, "warmup": 2, "decay": "cosine"}, "class_weights": "balanced",
    "label_smoothing": 0.1, "clip_norm": 0.2, "mixup": 0.2, "inception_crop": 0.5,
    "random_erasing": 0.5, "randaugment": {"layers": 1, "magnitude": 5},
}
came["recipe"] = [
    train(f"recipe {strategy}", strategy=strategy, **recipe)
    for strategy in ("one_device", "mirrored")
]
still = {"schedule": {"steps": 1}, "base_learning_rate": 1e-12, "strategy": "mirrored"}
came["warm"] = [
    train(f"warm {mode}", base=f"{folder}/one_device/model", mode=mode, **still)
    for mode in ("full", "head_only")
]
came["devices"] = [len(variable.values) for variable in mirrored]
came["apart"] = max(
    float(tf.reduce_max(abs(variable.values[0] - variable.values[1]))) for variable in mirrored
)
try:
    train("refused", strategy="mirrored", batch_size=33)
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


@pytest.mark.long
@pytest.mark.slow
def test_two_devices_learn_what_one_learns(came):
    one, two = came["one_device"]["history"], came["mirrored"]["history"]
    for before, after in zip(one, two, strict=True):
        assert after == pytest.approx(before, abs=1e-5)
    assert one[0]["loss"] - one[-1]["loss"] > 0.05


@pytest.mark.long
@pytest.mark.slow
def test_parts_of_a_batch_on_two_devices_are_the_same_step(came):
    for before, after in zip(came["one_device"]["history"], came["parts"]["history"], strict=True):
        assert after == pytest.approx(before, abs=1e-5)


@pytest.mark.long
@pytest.mark.slow
def test_a_frozen_backbone_embeds_on_two_devices_what_it_embeds_on_one(came):
    one, two = came["frozen"]
    for before, after in zip(one["history"], two["history"], strict=True):
        assert after == pytest.approx(before, abs=1e-5)
    assert one["history"][0]["loss"] - one["history"][-1]["loss"] > 0.05


@pytest.mark.long
@pytest.mark.slow
def test_a_recipe_is_the_same_on_two_devices_its_clipping_too(came):
    one, two = came["recipe"]
    for before, after in zip(one["history"], two["history"], strict=True):
        assert after == pytest.approx(before, abs=1e-5)
    assert one["history"][0]["val_loss"] - one["history"][-1]["val_loss"] > 0.003


@pytest.mark.long
@pytest.mark.slow
def test_every_weight_of_the_backbone_is_on_both_devices_and_the_same(came):
    assert set(came["devices"]) == {2}
    assert len(came["devices"]) > 20
    assert came["apart"] == 0


@pytest.mark.long
@pytest.mark.slow
def test_the_exported_model_is_the_same(came):
    one, two = came["one_device"], came["mirrored"]
    assert (
        two["signatures"]
        == one["signatures"]
        == [
            "labels",
            "predict_image",
            "predict_pixels",
            "serving_default",
        ]
    )
    for before, after in zip(one["probabilities"], two["probabilities"], strict=True):
        assert after == pytest.approx(before, abs=1e-5)


@pytest.mark.long
@pytest.mark.slow
def test_two_devices_start_from_what_one_has_learned(came):
    for warm in came["warm"]:
        for before, after in zip(
            came["one_device"]["probabilities"], warm["probabilities"], strict=True
        ):
            assert after == pytest.approx(before, abs=1e-5)


@pytest.mark.long
@pytest.mark.slow
def test_epochs_end_training_before_the_schedule_does(came):
    assert [row["epoch"] for row in came["mirrored"]["history"]] == [1, 2, 3, 4, 5, 6]


@pytest.mark.long
@pytest.mark.slow
def test_a_batch_that_cannot_be_shared_out_is_refused(came):
    assert "training.batch_size 33 is not a multiple of the 2 devices" in came["refused"]
    assert "a multiple of 2, or set training.strategy=one_device" in came["refused"]


# A process that has joined no workers, as a search's, has its own devices alone.
@pytest.mark.parametrize("kind", ["auto", "one_device", "multi_worker"])
def test_a_machine_without_gpus_trains_on_one_device(kind):
    assert (
        make_strategy(TrainingConfig(strategy=kind, batch_size=7)) is tf.distribute.get_strategy()
    )
