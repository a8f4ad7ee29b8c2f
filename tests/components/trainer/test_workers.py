"""Several real processes here train what one device trains, and none outlives another."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.trainer.train import train
from pipeline.code import ROOT
from tests.components.trainer.jobs import learned, make_job, png

CHIEF = """
import logging, os, sys
from components.errors import UserError
from components.progress import LOGGER
from components.trainer.chief import train_with_workers
from components.trainer.settings import Job
logging.basicConfig(level=logging.INFO)
LOGGER.setLevel(logging.INFO)
try:
    train_with_workers(Job.model_validate_json(sys.argv[1]))
except UserError as error:
    sys.exit(f"user: {error}")
"""
BROKEN_OFF_S = 60
"""What docs/training.md promises of the others when one is gone."""


class Cluster:
    """Processes with addresses of their own; what they say goes to files."""

    def __init__(self, folder, count):
        self.folder = folder
        self.started = {}
        held = [socket.socket() for _ in range(count)]
        for one in held:
            one.bind(("localhost", 0))
        self.addresses = [f"localhost:{one.getsockname()[1]}" for one in held]
        for one in held:
            one.close()

    def start(self, index, *command):
        told = {"cluster": {"worker": self.addresses}, "task": {"type": "worker", "index": index}}
        with self.log(index).open("w") as log:
            self.started[index] = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env={**os.environ, "TF_CONFIG": json.dumps(told), "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def start_chief(self, job):
        self.start(0, "-c", CHIEF, job.model_dump_json())

    def start_worker(self, index, job, *options):
        output = os.path.dirname(job.checkpoints)
        self.start(index, "-m", "components.trainer.worker", "--output", output, *options)

    def log(self, index):
        return Path(self.folder, f"worker{index}.log")

    def wait(self, index, timeout_s=240):
        """The exit code."""
        return self.started[index].wait(timeout_s)

    def wait_for(self, index, said, timeout_s=120):
        deadline = time.monotonic() + timeout_s
        while said not in self.log(index).read_text():
            assert time.monotonic() < deadline, self.log(index).read_text()[-3000:]
            time.sleep(0.02)


@pytest.fixture
def make_cluster(tmp_path):
    clusters = []

    def make(count):
        clusters.append(Cluster(tmp_path, count))
        return clusters[-1]

    yield make
    for cluster in clusters:
        for process in cluster.started.values():
            process.kill()
            process.wait()


def children(process):
    return [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/stat")
        if path.read_text().rpartition(")")[2].split()[1] == str(process.pid)
    ]


def together(cluster, job):
    """The history of a training by all of a cluster."""
    for index in range(1, len(cluster.addresses)):
        cluster.start_worker(index, job)
    cluster.start_chief(job)
    for index in cluster.started:
        assert cluster.wait(index) == 0, cluster.log(index).read_text()[-4000:]
    return json.loads(Path(job.model_run, "history.json").read_text())


def answers(job):
    served = tf.saved_model.load(job.serving_model)
    images = tf.constant([png(index) for index in range(3)])
    return served.signatures["predict_image"](images)["probabilities"].numpy()


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (2, {"crop": 20, "flip": True, "early_stopping_patience": 9}),
        pytest.param(
            3, {"crop": 20, "flip": True, "batch_size": 30}, marks=pytest.mark.slow, id="three"
        ),
        pytest.param(2, {"mode": "head_only"}, marks=pytest.mark.slow, id="embeddings"),
        pytest.param(
            3,
            {"mode": "head_only", "crop": 16, "batch_size": 48, "batch_split": 2, "cache": "disk"},
            marks=pytest.mark.slow,
            id="frozen",
        ),
    ],
)
def test_workers_learn_what_one_device_learns(digits_folder, make_cluster, count, told):
    name = f"{count}-{told.get('mode')}"
    alone = make_job(digits_folder, f"alone-{name}", **told)
    one = learned(train(alone))
    job = make_job(digits_folder, f"together-{name}", strategy="multi_worker", **told)
    cluster = make_cluster(count)
    rows = learned(together(cluster, job))
    for before, after in zip(one, rows, strict=True):
        assert after == pytest.approx(before, abs=1e-5)
    assert one[0]["loss"] - one[-1]["loss"] > 0.02
    np.testing.assert_allclose(answers(job), answers(alone), atol=1e-5)
    # Each epoch once in the step's log, and nothing left to be taken for another run's.
    assert cluster.log(0).read_text().count("epoch 6/6: loss") == 1
    assert list(Path(job.checkpoints).iterdir()) == []
