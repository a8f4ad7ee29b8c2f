"""The pipeline whose Trainer trains with a second worker, which the user starts."""

import json
import os
import socket
import subprocess

import pytest

from pipeline.inputs.code import ROOT
from tests.command import BIT_TFX
from tests.e2e.conftest import QUICK

TOGETHER = (*QUICK, "training.strategy=multi_worker")


def addresses(count):
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("localhost", 0))
    found = [f"localhost:{one.getsockname()[1]}" for one in held]
    for one in held:
        one.close()
    return found


@pytest.mark.slow
def test_a_run_trains_with_the_workers_that_wait_for_it(run, tmp_path):
    output = tmp_path / "out"
    refused = run(output, *TOGETHER)
    assert refused.exit_code == 2
    assert "the environment variable TF_CONFIG is not set" in refused.summary["reasons"][0]

    cluster = {"worker": addresses(2)}
    chief, other = (
        {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})}
        for index in range(2)
    )
    with (tmp_path / "worker.log").open("w") as log:
        worker = subprocess.Popen(
            [*BIT_TFX, "worker", "--output", str(output)],
            cwd=ROOT,
            env={**os.environ, **other},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        ended = run(output, *TOGETHER, environment=chief)
        assert ended.exit_code == 0, ended.out + ended.err
        assert worker.wait(30) == 0
    finally:
        worker.kill()
    # The chief's epochs are the run's.
    for epoch in range(1, 5):
        assert f"epoch {epoch}/4" in ended.out
    assert ended.summary["metrics"]["accuracy"] > 0.5
    assert len(ended.served) == 1
    log = output / "logs" / ended.summary["run_id"] / "Trainer.log"
    assert log.read_text().count("epoch 4/4: loss") == 1
    assert "worker 0 of 2" in log.read_text()
    assert "worker 1 of 2" in (tmp_path / "worker.log").read_text()
    assert list((output / "checkpoints").iterdir()) == []
    (run_folder,) = (output / "artifacts" / "Trainer" / "model_run").iterdir()
    assert {path.name for path in run_folder.iterdir()} >= {"history.json", "train", "validation"}

    again = run(output, *TOGETHER)
    assert again.exit_code == 0
    assert again.seconds < ended.seconds / 2
