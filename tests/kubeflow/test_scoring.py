"""Batch scoring as a package: compiled as users do, held against KFP's rules, and run."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.process import ROOT
from components.trainer.train import train
from kubeflow.client.package import read_package
from kubeflow.sdk import PYTHON
from tests.command import bit_tfx
from tests.components.trainer.jobs import make_job, png, write_examples, write_graph
from tests.kubeflow.cluster import SUCCEEDED, Cluster
from tests.kubeflow.test_package import EVERYTHING, IMAGE, read

HERE = Path(__file__).parent
GOLDEN = HERE / "golden" / "score.yaml"
IMAGES = 300


def compiled(output, *arguments):
    return bit_tfx("kubeflow", "score", "--output", output, *arguments)


def pod_of(package):
    ran = subprocess.run(
        [PYTHON, HERE / "check_package.py", package], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    (pod,) = json.loads(ran.stdout).values()
    return pod


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    path = tmp_path_factory.mktemp("package") / "score.yaml"
    given = ("--images", "/mnt/bit/photos", "--", "--top-k", "3")
    ran = compiled(path, "--preset", "digits", "--image", IMAGE, *given)
    assert (ran.returncode, ran.stderr) == (0, "")
    (line,) = [each for each in ran.stdout.splitlines() if each.startswith("To submit it: ")]
    assert shlex.split(line)[-3:] == ["kubeflow", "submit", str(path)]
    return path


def test_the_golden_file_is_what_is_compiled(package):
    """Where the change is wanted: compile again as `package` does, and read the difference."""
    assert read(package) == read(GOLDEN)


def test_the_pod_is_one_that_kubernetes_takes_and_runs_the_verb(package):
    pod = pod_of(package)
    (container,) = pod["spec"]["containers"]
    assert container["command"] == ["python", "-m", "pipeline.cli", "score"]
    env = {each["name"]: each.get("value") for each in container["env"]}
    assert env["CUDA_VISIBLE_DEVICES"] == "-1"
    # It neither needs nor has the password of the metadata store.
    assert "BIT_METADATA_PASSWORD" not in env
    found = read_package(package)
    assert (found.name, found.required, set(found.tasks)) == ("digits-score", (), {"score"})


def test_everything_that_is_configured_reaches_the_pod(tmp_path):
    path = tmp_path / "score.yaml"
    places = (
        "--model",
        "gs://models/bit/everything/serving",
        "--predictions",
        "/mnt/data/p.parquet",
    )
    pods = "kubeflow.steps.score={accelerator: {count: 2}, memory_limit: 12Gi, timeout_s: 7200}"
    ran = compiled(path, "--config", EVERYTHING, *places, "--set", pods)
    assert ran.returncode == 0, ran.stderr
    assert "--param images=" in ran.stdout
    pod = pod_of(path)
    (container,) = pod["spec"]["containers"]
    assert container["resources"]["limits"] == {"memory": "12Gi", "nvidia.com/gpu": "2"}
    assert pod["spec"]["activeDeadlineSeconds"] == 7_200
    assert pod["metadata"]["labels"] == {"pipeline": "everything", "team": "vision"}
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts == {"/mnt/data", "/secrets/gcs"}
    env = {each["name"]: each for each in container["env"]}
    assert "CUDA_VISIBLE_DEVICES" not in env
    assert "TRACKER_TOKEN" in env
    assert read_package(path).required == ("images",)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "kubeflow.image must be given"),
        (("--images", "photos"), "--images photos: give an absolute path on a volume of the pod"),
        (
            ("--images", "/home/me"),
            "--images /home/me is on no volume that the pod of score mounts",
        ),
        (("--model", "/home/me/serving"), "--model /home/me/serving is on no volume"),
        (("--predictions", "gs://b/p.parquet"), "--predictions gs://b/p.parquet: give an absolute"),
        (("--images", "/mnt/bit/{{x}}"), "holds {{"),
        (("--", "--top-k", "0"), "after --: Invalid value for '--top-k'"),
        (("--", "--nothing"), "after --: No such option"),
        (("--", "--help"), "--help after -- is no option"),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_nothing(tmp_path, arguments, sentence):
    image = ("--image", IMAGE) if arguments else ()
    ran = compiled(tmp_path / "score.yaml", *image, *arguments)
    assert ran.returncode == 2
    assert sentence in ran.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_run_writes_the_table_also_where_its_pod_is_killed(tmp_path):
    volume = tmp_path / "volume"
    write_examples(tmp_path)
    write_graph(tmp_path)
    train(make_job(tmp_path, "trained", schedule={"steps": 3}))
    shutil.copytree(tmp_path / "trained" / "model", volume / "digits" / "serving" / "7")
    (volume / "photos").mkdir()
    for index in range(IMAGES):
        (volume / "photos" / f"{index:03d}.png").write_bytes(png(index % 40))
    (volume / "photos" / "bad.jpg").write_bytes(b"no image")
    settings = (
        f"kubeflow.output={volume}/digits",
        f"kubeflow.volumes=[{{claim: bit, path: {volume}}}]",
        "kubeflow.steps.score.retries={count: 1, backoff_s: 0}",
    )
    package = tmp_path / "score.yaml"
    sets = [f"--set={each}" for each in settings]
    ran = compiled(package, "--image", IMAGE, *sets, "--", "--batch-size", "4", "--probabilities")
    assert ran.returncode == 0, ran.stderr
    killed = []

    def interrupt(name, process):
        if killed:
            return
        parts = volume / "digits" / ".predictions.parquet.parts"
        while process.poll() is None and len(list(parts.glob("*.arrow"))) < 3:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        killed.append(name)

    cluster = Cluster(
        folder=tmp_path / "kfp",
        secrets={},
        claims={"bit": volume},
        path=os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
        image_env={"PYTHONPATH": str(ROOT)},
        interrupt=interrupt,
    )
    run = cluster.run(package, "run-1", images=f"{volume}/photos")
    logs = [path.read_text() for path in sorted((tmp_path / "kfp").rglob("log.txt"))]
    assert run.state == SUCCEEDED, logs
    assert run.tasks["score"].codes == [-signal.SIGKILL, 0]
    assert "Going on: " in logs[-1]
    table = pq.read_table(volume / "digits" / "predictions.parquet")
    assert table["name"].to_pylist() == [f"{index:03d}.png" for index in range(IMAGES)]
    model = tf.saved_model.load(str(volume / "digits" / "serving" / "7"))
    asked = tf.constant([png(index) for index in range(40)])
    expected = model.signatures["predict_image"](image_bytes=asked)["probabilities"].numpy()
    found = np.array(table["probabilities"].to_pylist())
    np.testing.assert_allclose(found, expected[np.arange(IMAGES) % 40], atol=1e-5)
    rejects = pq.read_table(volume / "digits" / "predictions.rejects.parquet")
    assert rejects["name"].to_pylist() == ["bad.jpg"]
