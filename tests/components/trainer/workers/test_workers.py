"""Several real processes here train what one device trains, and none outlives another."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.errors import UserError
from components.trainer.train import train
from components.trainer.workers.chief import train_with_workers
from components.trainer.workers.job_file import job_file, write_job
from components.trainer.workers.worker import run_worker
from pipeline.inputs.code import ROOT
from tests.components.trainer.jobs import judge, learned, make_job, png
from tests.components.trainer.workers.processes import Cluster, children
from tests.modules import export_batch_norms

BROKEN_OFF_S = 60
"""What docs/how-to/training.md promises of the others when one is gone."""


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


def together(cluster, job):
    """The history of a training by all of a cluster, whose other workers may have been started."""
    for index in range(1, len(cluster.addresses)):
        if index not in cluster.started:
            cluster.start_worker(index, job)
    cluster.start_chief(job)
    for index in cluster.started:
        assert cluster.wait(index) == 0, cluster.log(index).read_text()[-4000:]
    return json.loads(Path(job.model_run, "history.json").read_text())


def assert_alike(one, other):
    for before, after in zip(one, other, strict=True):
        assert after == pytest.approx(before, abs=1e-5)


def answers(job):
    served = tf.saved_model.load(job.serving_model)
    images = tf.constant([png(index) for index in range(3)])
    return served.signatures["predict_image"](images)["probabilities"].numpy()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "told"),
    [
        (3, {"crop": 20, "flip": True, "batch_size": 30, "early_stopping_patience": 9}),
        pytest.param(2, {"mode": "head_only"}, marks=pytest.mark.long),
        (
            3,
            {"mode": "head_only", "crop": 16, "batch_size": 48, "batch_split": 2, "cache": "disk"},
        ),
    ],
    ids=["full", "embeddings", "frozen"],
)
def test_workers_learn_what_one_device_learns(digits_folder, make_cluster, count, told):
    name = f"{count}-{told.get('mode')}"
    alone = make_job(digits_folder, f"alone-{name}", **told)
    one = learned(train(alone))
    job = make_job(digits_folder, f"together-{name}", strategy="multi_worker", **told)
    cluster = make_cluster(count)
    rows = learned(together(cluster, job))
    assert_alike(one, rows)
    assert one[0]["loss"] - one[-1]["loss"] > 0.02
    np.testing.assert_allclose(answers(job), answers(alone), atol=1e-5)
    # Each epoch once in the step's log, and nothing left to be taken for another run's.
    assert cluster.log(0).read_text().count("epoch 6/6: loss") == 1
    assert list(Path(job.checkpoints).iterdir()) == []


@pytest.mark.long
@pytest.mark.slow
def test_workers_start_from_the_same_model(digits_folder, make_cluster):
    base = make_job(digits_folder, "base of workers")
    train(base)
    started = {"base_model": base.serving_model}
    alone = make_job(digits_folder, "warm alone").model_copy(update=started)
    one = learned(train(alone))
    job = make_job(digits_folder, "warm together", strategy="multi_worker")
    job = job.model_copy(update=started)
    rows = learned(together(make_cluster(2), job))
    assert_alike(one, rows)
    assert one[0]["loss"] < np.log(10) - 0.02
    np.testing.assert_allclose(answers(job), answers(alone), atol=1e-5)


@pytest.mark.slow
def test_all_workers_end_at_the_same_loss_that_is_not_finite(digits_folder, make_cluster):
    told = {"mode": "head_only", "base_learning_rate": 1e38, "schedule": {"steps": 60}}
    job = make_job(digits_folder, "diverged together", strategy="multi_worker", **told)
    cluster = make_cluster(2)
    cluster.start_worker(1, job)
    cluster.start_chief(job)
    assert (cluster.wait(0), cluster.wait(1)) == (1, 2)
    said = r": (training: step \d of 60 \(.*which is not finite.*)"
    chief, other = (re.search(said, cluster.log(index).read_text())[1] for index in (0, 1))
    assert chief == other
    assert not Path(job.serving_model).exists()


@pytest.mark.long
@pytest.mark.slow
def test_workers_export_and_save_batch_norms_as_they_were_judged(
    digits_folder, make_cluster, tmp_path
):
    """Each has statistics of its own images, and the chief alone writes."""
    told = {
        "schedule": {"steps": 24},
        "steps_per_epoch": 2,
        "base_learning_rate": 8.0,
        "early_stopping_patience": 4,
        "checkpoint_seconds": 0,
        "backbone": export_batch_norms(tmp_path / "backbone", l2=1e-3),
    }
    job = make_job(digits_folder, "norms together", strategy="multi_worker", **told)
    rows = together(make_cluster(2), job)
    (best,) = [row for row in rows if row["restored"]]
    assert best["epoch"] < len(rows)
    accuracy, loss = judge(digits_folder, "norms together")
    assert accuracy == pytest.approx(best["val_accuracy"], abs=1e-6)
    served = tf.saved_model.load(job.serving_model).model_variables
    penalty = sum(1e-3 * np.sum(each.numpy() ** 2) for each in served if each.shape.rank == 4)
    assert loss + penalty == pytest.approx(best["val_loss"], rel=1e-4)


TWO_DEVICES = """
import os, sys
import tensorflow as tf
from tensorflow.python.distribute import collective_all_reduce_strategy as module
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
# Where there are no GPUs, TensorFlow takes one CPU a worker.
module.CollectiveAllReduceExtended._initialize_local_devices = lambda self, resolver, worker: (
    (f"{worker}/device:CPU:0", f"{worker}/device:CPU:1"), "CPU"
)
from components.trainer.workers import worker
code = worker.main(["--job", sys.argv[1], "--timeout-s", "600"])
sys.stderr.flush()
os._exit(code)
"""


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("told", [{"crop": 20, "flip": True}, {"mode": "head_only"}])
def test_workers_with_two_devices_each_learn_what_one_device_learns(
    digits_folder, make_cluster, told
):
    one = learned(train(make_job(digits_folder, f"one-{len(told)}", **told)))
    job = make_job(digits_folder, f"four-{len(told)}", strategy="multi_worker", **told)
    write_job(job_file(job.checkpoints), job)
    cluster = make_cluster(2)
    for index in range(2):
        cluster.start(index, "-c", TWO_DEVICES, str(job_file(job.checkpoints)))
    for index in range(2):
        assert cluster.wait(index) == 0, cluster.log(index).read_text()[-4000:]
        assert "devices: 2" in cluster.log(index).read_text()
    rows = learned(json.loads(Path(job.model_run, "history.json").read_text()))
    assert_alike(one, rows)


LONGER = {"schedule": {"steps": 24, "boundaries": [16]}, "steps_per_epoch": 4, "crop": 20}


def wait_for_step(job, step):
    folder = Path(job.own_checkpoints)
    deadline = time.monotonic() + 120
    while not any(int(path.stem[5:]) >= step for path in folder.glob("ckpt-*.index")):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def kill(process):
    """The process that trains, and not the one that started it."""
    (child,) = children(process)
    os.kill(child, signal.SIGKILL)


@pytest.mark.slow
def test_a_dead_process_ends_the_others_and_a_rerun_goes_on(digits_folder, make_cluster):
    told = {**LONGER, "flip": True, "early_stopping_patience": 9}
    one = learned(train(make_job(digits_folder, "undisturbed", **told)))
    job = make_job(
        digits_folder, "disturbed", strategy="multi_worker", checkpoint_seconds=0, **told
    )
    file = job_file(job.checkpoints)
    cluster = make_cluster(2)
    # One that serves run after run.
    cluster.start_worker(1, job, "--forever")

    cluster.start_chief(job)
    wait_for_step(job, 3)
    kill(cluster.started[1])
    assert cluster.wait(0, BROKEN_OFF_S) == 1
    assert "RuntimeError: another worker is gone" in cluster.log(0).read_text()
    assert not file.exists()
    assert cluster.started[1].poll() is None

    cluster.start_chief(job)
    wait_for_step(job, 9)
    # By kill -9, so that it cannot take its job back.
    cluster.started[0].kill()
    cluster.wait_for(1, "the training failed: another worker is gone", BROKEN_OFF_S)
    assert file.exists()
    cluster.started[1].terminate()
    assert cluster.wait(1, 20) == 128 + signal.SIGTERM

    # One that starts before the run finds the dead run's job, and trains the new one's.
    cluster.start_worker(1, job)
    cluster.wait_for(1, "a training has started")
    rows = learned(together(cluster, job))
    assert "checkpoint after step 24" in cluster.log(0).read_text()
    assert "checkpoint after step 3 " not in cluster.log(0).read_text()
    assert_alike(one, rows)
    assert list(Path(job.checkpoints).iterdir()) == []


@pytest.mark.slow
def test_what_cannot_be_trained_is_said_to_all(digits_folder, make_cluster):
    job = make_job(digits_folder, "refused", strategy="multi_worker", batch_size=33)
    cluster = make_cluster(2)
    cluster.start_worker(1, job)
    cluster.start_chief(job)
    assert [cluster.wait(0), cluster.wait(1)] == [1, 2]
    refused = "training.batch_size 33 is not a multiple of the 2 devices of training.strategy"
    assert f"user: {refused} multi_worker" in cluster.log(0).read_text()
    assert f"error: {refused} multi_worker" in cluster.log(1).read_text()
    assert not job_file(job.checkpoints).exists()


def test_workers_that_do_not_come_are_not_waited_for_for_ever(make_cluster, tmp_path, monkeypatch):
    addresses = make_cluster(2).addresses
    told = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(told))
    with pytest.raises(RuntimeError, match="joined within 2 s"):
        run_worker(job_file(str(tmp_path)), 2)


@pytest.mark.parametrize(
    ("index", "options", "code", "said"),
    [
        (None, [], 2, "TF_CONFIG is not set"),
        (0, [], 2, "makes this process the chief, which the Trainer step starts itself"),
        (1, ["--timeout-s", "0"], 1, "no training with several workers started within 0 s"),
    ],
)
def test_a_worker_that_cannot_take_part_says_why(tmp_path, index, options, code, said):
    told = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": index}}
    environment = {} if index is None else {"TF_CONFIG": json.dumps(told)}
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pipeline.cli",
            "worker",
            "--output",
            str(tmp_path),
            *options,
        ],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == code
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("environment", [{}, {"index": 1}])
def test_a_trainer_that_is_not_the_chief_is_refused(tmp_path, monkeypatch, environment):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if environment:
        told = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", **environment}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(told))
    job = make_job(tmp_path, "run", strategy="multi_worker")
    with pytest.raises(UserError, match="TF_CONFIG"):
        train_with_workers(job)
    assert not Path(job.checkpoints).exists()
