"""A module's regularization losses are learned from as Keras's `model.fit` does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub
import tf_keras as keras

from components.backbone.bit import BiT
from components.backbone.handle import load_backbone
from components.trainer.config import TrainingConfig
from components.trainer.model import BiTClassifier, make_optimizer
from components.trainer.train import train
from components.trainer.train_step import Steps
from pipeline.inputs.code import ROOT
from tests.components.trainer.jobs import judge, make_job
from tests.modules import export, export_batch_norms, penalty_of
from tests.numpy_bit import TWO_STAGES

BATCH, RATE, STEPS = 16, 0.05, 4


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """A foreign module, a BiT, and a network as Keras itself saves it: each with a penalty."""
    folder = tmp_path_factory.mktemp("regularized")
    bit = BiT(TWO_STAGES, seed=1)
    kernels = [weight for name, weight in bit.weights.items() if name.endswith("kernel")]
    losses = [penalty_of(kernel, 0.02) for kernel in kernels]
    network = keras.Sequential(
        [
            keras.layers.InputLayer((None, None, 3)),
            keras.layers.Conv2D(8, 3, 2, activation="relu", kernel_regularizer="l2"),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )
    network.save(folder / "keras", save_format="tf")
    return {
        "foreign": export_batch_norms(folder / "foreign", l2=0.02),
        "bit": export(folder / "bit", bit, bit.weights.values(), losses=losses),
        "keras": str(folder / "keras"),
    }


def batches():
    random = np.random.default_rng(0)
    for _ in range(STEPS):
        yield random.random((BATCH, 24, 24, 3), np.float32), random.integers(0, 10, BATCH)


def by_keras(path, trainable):
    """The history and the variables of `model.fit`, one epoch a batch."""
    layer = hub.KerasLayer(path, trainable=trainable)
    head = keras.layers.Dense(10, kernel_initializer="zeros")
    model = keras.Sequential([keras.layers.InputLayer((24, 24, 3)), layer, head])
    model.compile(
        keras.optimizers.SGD(RATE, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    losses = [model.fit(*batch, BATCH, verbose=0).history["loss"][0] for batch in batches()]
    looked_at = model.evaluate(*next(batches()), BATCH, verbose=0)
    return losses, looked_at, [each.numpy() for each in [*layer.variables, *head.variables]]


def by_ours(path, mode, **told):
    """The same of `Steps`; of variables, those of the whole model."""
    training = TrainingConfig(batch_size=BATCH, **told)
    model = BiTClassifier(load_backbone(path, mode, training.precision), 10)
    optimizer = make_optimizer(training.precision)
    optimizer.build(model.trained)
    optimizer.learning_rate.assign(RATE)
    steps = Steps(model, model, model.trained, optimizer, training, model.penalty)
    losses = [
        float(steps.train(images, tf.constant(labels))[0]) / BATCH for images, labels in batches()
    ]
    images, labels = next(batches())
    looked_at = float(steps.evaluate(images, tf.constant(labels))[0]) / BATCH
    looked_at += float(steps.penalty())
    return losses, looked_at, [each.numpy() for each in model.all_variables], model


def same_variables(ours, theirs):
    """Each of Keras's has its like among ours, whatever their order."""
    for value in theirs:
        like = [one for one in ours if one.shape == value.shape]
        assert min(np.max(np.abs(one - value), initial=0.0) for one in like) < 1e-6


@pytest.mark.parametrize("mode", ["full", "head_only"])
@pytest.mark.parametrize("name", ["foreign", "bit", "keras"])
def test_a_step_is_that_of_keras(modules, name, mode):
    losses, looked_at, variables = by_keras(modules[name], mode == "full")
    ours, ours_looked_at, our_variables, model = by_ours(modules[name], mode)
    assert ours == pytest.approx(losses, abs=1e-6)
    assert ours_looked_at == pytest.approx(looked_at, abs=1e-6)
    same_variables(our_variables, variables)
    assert (model.backbone.architecture is not None) == (name == "bit")
    # Of a frozen module Keras learns nothing.
    assert (losses[0] > np.log(10) + 0.01) == (mode == "full")


@pytest.fixture(scope="module")
def whole(modules):
    """A step of our own network, without more."""
    return by_ours(modules["bit"], "full")


@pytest.mark.parametrize(
    "told",
    [{"batch_split": 4}, pytest.param({"xla": True}, marks=pytest.mark.slow)],
    ids=["parts", "xla"],
)
def test_parts_and_xla_are_the_same_step(modules, whole, told):
    parts = by_ours(modules["bit"], "full", **told)
    assert parts[0] == pytest.approx(whole[0], abs=1e-5)
    for one, other in zip(whole[2], parts[2], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(
    "precision", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)]
)
def test_the_penalty_is_computed_in_float32(modules, whole, precision):
    (loss, *_), _, _, model = by_ours(modules["bit"], "full", precision=precision)
    # The head is zero at first, and all that differs could be the penalty.
    assert loss == pytest.approx(whole[0][0], abs=1e-6)
    weights = hub.KerasLayer(modules["bit"], trainable=True)
    assert float(tf.add_n(weights.losses)) == pytest.approx(loss - np.log(10), abs=1e-5)
    assert model.penalty().dtype == tf.float32


def test_the_loss_of_the_history_has_the_penalty_and_the_accuracy_none(digits_folder, modules):
    layer = hub.KerasLayer(modules["foreign"], trainable=True)
    before = float(tf.add_n(layer.losses))
    still = {"backbone": modules["foreign"], "base_learning_rate": 1e-9, "schedule": {"steps": 1}}
    (row,) = train(make_job(digits_folder, "penalty", **still))
    assert row["loss"] == pytest.approx(np.log(10) + before, abs=1e-5)
    assert row["val_loss"] == pytest.approx(np.log(10) + before, abs=1e-5)
    assert judge(digits_folder, "penalty")[1] == pytest.approx(np.log(10), abs=1e-5)


DEVICES = """
import json, os, sys
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from components.trainer.train import train
from tests.components.trainer.jobs import judge, learned, make_job, write_examples, write_graph

folder, bit, norms = sys.argv[1:]
write_examples(folder)
write_graph(folder)
came = {}
for strategy in ("one_device", "mirrored"):
    job = make_job(folder, strategy, backbone=bit, strategy=strategy)
    came[strategy] = learned(train(job))
told = {
    "schedule": {"steps": 24}, "steps_per_epoch": 2, "base_learning_rate": 8.0,
    "early_stopping_patience": 4, "strategy": "mirrored",
}
came["norms"] = learned(train(make_job(folder, "norms", backbone=norms, **told)))
came["judged"] = [float(value) for value in judge(folder, "norms")]
try:
    train(make_job(folder, "diverged", backbone=bit, **{**told, "base_learning_rate": 1e30}))
except Exception as error:
    came["diverged"] = type(error).__name__, str(error)
print("CAME" + json.dumps(came), flush=True)
# As every worker of ours ends: TensorFlow 2.21 can crash while its strategies are taken down.
os._exit(0)
"""


@pytest.fixture(scope="module")
def two_devices(tmp_path_factory, modules):
    """What came of trainings on two virtual devices, in a process of their own."""
    folder = tmp_path_factory.mktemp("devices")
    norms = export_batch_norms(folder / "norms backbone")
    ran = subprocess.run(
        [sys.executable, "-c", DEVICES, str(folder), modules["bit"], norms],
        cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-4000:]
    assert not Path(folder, "diverged", "model").exists()
    return json.loads(ran.stdout.rpartition("CAME")[2])


@pytest.mark.slow
def test_two_devices_learn_from_the_penalty_once(two_devices):
    one, two = two_devices["one_device"], two_devices["mirrored"]
    for before, after in zip(one, two, strict=True):
        assert after == pytest.approx(before, abs=1e-5)
    assert one[0]["loss"] > np.log(10) + 0.1


@pytest.mark.slow
def test_the_statistics_of_two_devices_are_restored_and_exported_as_they_were_judged(two_devices):
    (best,) = [row for row in two_devices["norms"] if row["restored"]]
    assert best["epoch"] < len(two_devices["norms"])
    accuracy, loss = two_devices["judged"]
    assert accuracy == pytest.approx(best["val_accuracy"], abs=1e-6)
    assert loss == pytest.approx(best["val_loss"], rel=1e-4)


@pytest.mark.slow
def test_two_devices_end_at_a_loss_that_is_not_finite(two_devices):
    kind, said = two_devices["diverged"]
    assert kind == "DivergedError"
    assert "step 2 of 24" in said or "step 3 of 24" in said
