"""A backbone that is loaded in a strategy's scope is on every device, and computes the same."""

import functools
import json
import os
import socket
import subprocess
import sys

import pytest

from pipeline.inputs.code import ROOT

LEARN = """
import json, os, sys
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

kind, path = sys.argv[1:]
if kind == "workers":
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
elif kind == "mirrored":
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
else:
    strategy = tf.distribute.get_strategy()
from components.backbone.handle import load_backbone

images = tf.random.stateless_uniform((4, 32, 32, 3), (0, 1))
with strategy.scope():
    layer = load_backbone(path, "full")


@tf.function
def step(shares):
    def learn(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(images) ** 2) / 4
        gradients = tape.gradient(loss, layer.trainable_variables)
        context = tf.distribute.get_replica_context()
        for variable, gradient in zip(
            layer.trainable_variables, context.all_reduce("sum", gradients), strict=True
        ):
            variable.assign_sub(1e-4 * gradient, **synchronised)
        return loss

    return strategy.reduce("sum", strategy.run(learn, args=(shares,)), axis=None)


synchronised = {} if kind == "one" else {"read_value": False}
parts = strategy.num_replicas_in_sync
shares = strategy.experimental_distribute_values_from_function(
    lambda context: tf.split(images, parts)[context.replica_id_in_sync_group]
)
losses = [float(step(shares)) for _ in range(3)]
variables = layer.trainable_variables
print("CAME" + json.dumps({
    "bit": layer.architecture is not None,
    "replicas": parts,
    "copies": [len(getattr(v, "values", [v])) for v in variables],
    "apart": max(float(tf.reduce_max(abs(v.values[0] - v.values[-1]))) if parts > 1 else 0.0
                 for v in variables),
    "losses": losses,
}), flush=True)
# As every worker of ours ends: TensorFlow 2.21 can crash while its strategies are taken down.
os._exit(0)
"""


def start(kind, path, environment=None):
    return subprocess.Popen(
        [sys.executable, "-c", LEARN, kind, path],
        cwd=ROOT, env={**os.environ, **(environment or {})}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def came(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-4000:]
    return json.loads(out.rpartition("CAME")[2])


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """A BiT, and one that is foreign, for its output is doubled."""
    from components.backbone.bit import BiT
    from components.backbone.config import SHIPPED
    from tests.modules import export
    from tests.numpy_bit import TWO_STAGES

    bit = BiT(TWO_STAGES, seed=1)
    folder = tmp_path_factory.mktemp("scopes") / "foreign"
    foreign = export(folder, lambda x: 2.0 * bit(x), bit.weights.values())
    return {"bit": str(SHIPPED["bit-mini"]), "foreign": foreign}


@pytest.fixture(scope="module")
def alone(modules):
    return functools.cache(lambda name: came(start("one", modules[name])))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bit", "foreign"])
def test_two_devices_learn_what_one_learns(modules, alone, name):
    mirrored = came(start("mirrored", modules[name]))
    assert alone(name)["bit"] == mirrored["bit"] == (name == "bit")
    assert mirrored["replicas"] == 2
    assert set(mirrored["copies"]) == {2}
    assert mirrored["apart"] == 0
    assert mirrored["losses"] == pytest.approx(alone(name)["losses"], rel=1e-4)
    assert mirrored["losses"][2] < mirrored["losses"][0]


def test_two_workers_learn_what_one_device_learns(modules, alone):
    with socket.socket() as first, socket.socket() as second:
        for taken in (first, second):
            taken.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{taken.getsockname()[1]}" for taken in (first, second)]
    workers = []
    for index in range(2):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        workers.append(start("workers", modules["bit"], {"TF_CONFIG": json.dumps(task)}))
    for learned in map(came, workers):
        assert learned["bit"]
        # With several devices each, two replicas a worker.
        assert learned["replicas"] in (2, 4)
        assert learned["losses"] == pytest.approx(alone("bit")["losses"], rel=1e-4)
