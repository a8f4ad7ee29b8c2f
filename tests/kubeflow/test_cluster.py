"""A whole pipeline from its compiled package, every task in a process of its own, on MariaDB."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.run.summary import Summary
from tests.command import BIT_TFX
from tests.kubeflow import mariadb
from tests.kubeflow.cluster import FAILED, LOST, OMITTED, SKIPPED, SUCCEEDED, Cluster

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(not mariadb.installed(), reason="needs the Debian package mariadb-server"),
]
QUICK = (
    "training.schedule={steps: 120, boundaries: [96]}",
    "training.steps_per_epoch=12",
    "training.checkpoint_seconds=0",
    "evaluation.min_accuracy=0.3",
)
_CACHED_OR_DONE = ("cached", "complete")
STEPS = [step.id for step in Summary().steps]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("kubeflow")


@pytest.fixture(scope="module")
def server(place):
    with mariadb.started(place) as found:
        yield found


@pytest.fixture(scope="module")
def package(place, server):
    """Compiled as a user would, but for the volume's path and the server's address."""
    (place / "volume").mkdir()
    metadata = f"{{host: 127.0.0.1, port: {server.port}, user: {mariadb.USER}"
    settings = (
        *QUICK,
        f"kubeflow.volumes=[{{claim: bit, path: {place}/volume}}]",
        f"kubeflow.output={place}/volume/digits",
        f"kubeflow.metadata.mysql={metadata}, password_secret: db}}",
        "kubeflow.steps.default.retries={count: 1, backoff_s: 0}",
    )
    path = place / "digits.yaml"
    command = [*BIT_TFX, "kubeflow", "compile", "--output", str(path)]
    command += ["--image", "registry/bit@sha256:" + "0" * 64]
    subprocess.run([*command, *(f"--set={each}" for each in settings)], check=True, cwd=ROOT)
    return path


@pytest.fixture(scope="module")
def cluster(place):
    return Cluster(
        folder=place / "kfp",
        secrets={"db": {"password": mariadb.PASSWORD}},
        claims={"bit": place / "volume"},
        path=os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
        image_env={"PYTHONPATH": str(ROOT)},
    )


@pytest.fixture(scope="module")
def local(place, tfds_dir):
    """The summary of a local run of the same configuration."""
    output = place / "local"
    command = [sys.executable, str(ROOT / "local_runner.py"), "--output", str(output)]
    command += [f"--set={each}" for each in QUICK]
    environment = {**os.environ, "TFDS_DATA_DIR": str(tfds_dir)}
    ran = subprocess.run(command, check=False, env=environment)
    assert ran.returncode == 0
    return json.loads((output / "run_summary.json").read_text())


class Interrupt:
    """Takes a node from under Transform while it runs, and kills the Trainer after an epoch."""

    def __init__(self):
        self.left = {
            "transform": (b"Transform: running", signal.SIGTERM, LOST),
            "trainer": (b"epoch 2/10", signal.SIGKILL, None),
        }

    def __call__(self, name: str, process: subprocess.Popen) -> str | None:
        mark, number, fate = self.left.pop(name, (None, None, None))
        if mark is None:
            return None
        log = Path(f"/proc/{process.pid}/fd/1").resolve()
        while process.poll() is None and mark not in log.read_bytes():
            time.sleep(0.05)
        process.send_signal(number)
        return fate


@pytest.fixture(scope="module")
def lost(cluster, package):
    """A run whose Transform's pod is lost, which KFP does not retry by itself."""
    cluster.interrupt = Interrupt()
    return cluster.run(package, "run-1")


@pytest.fixture(scope="module")
def lost_summary(lost, place):
    return summary(place), (place / "volume" / "digits" / "report" / "index.html").read_text()


@pytest.fixture(scope="module")
def first(cluster, package, lost, lost_summary):
    """The same run after Retry in KFP's UI; its Trainer is killed once on the way."""
    return cluster.retry(lost, package, "run-1")


@pytest.fixture(scope="module")
def rejected(cluster, package, first):
    return cluster.run(package, "run-2", min_accuracy="1.0")


@pytest.fixture(scope="module")
def refused(cluster, package, rejected):
    return cluster.run(package, "run-3", dataset="no_such_data_set", version="null")


def summary(place, run_id=None):
    folder = place / "volume" / "digits"
    path = folder / "logs" / run_id if run_id else folder
    return json.loads((path / "run_summary.json").read_text())


def states(found):
    return {step["id"]: step["state"] for step in found["steps"]}


def test_a_run_that_lost_a_pod_says_so(lost, lost_summary):
    assert lost.state == FAILED
    assert lost.tasks["transform"].codes == [-signal.SIGTERM]
    assert lost.tasks["trainer"].state == OMITTED
    assert lost.tasks["finish"].state == SUCCEEDED
    found, page = lost_summary
    assert (found["exit_code"], found["blessed"], found["pushed"]) == (1, None, None)
    assert "Transform: its pod ended without a word" in found["reasons"][0]
    assert states(found)["Transform"] == "failed"
    assert found["counts"]["train"] == 1527
    assert "its pod ended without a word" in page


def test_after_a_retry_and_a_killed_trainer_it_ends_with_a_pushed_model(first, place):
    assert first.state == SUCCEEDED
    assert first.tasks["trainer"].codes == [-signal.SIGKILL, 0]
    assert first.tasks["transform"].codes == [0]
    assert any(b"Resuming after step" in log.read_bytes() for log in place.rglob("log.txt"))
    assert first.tasks["condition-2"].state == SKIPPED
    # KFP does not run an exit task anew: the report has put the summary right.
    for found in (summary(place, "run-1"), summary(place)):
        assert (found["exit_code"], found["blessed"]) == (0, True)
        assert set(states(found).values()) == {"complete"}
    pushed = Path(found["pushed"])
    assert pushed.parent == place / "volume" / "digits" / "serving"
    assert (pushed / "saved_model.pb").is_file()
    page = (place / "volume" / "digits" / "report" / "index.html").read_text()
    assert "its pod ended without a word" not in page


def test_it_came_to_what_the_local_run_came_to(first, local, place):
    found = summary(place, "run-1")
    assert found["counts"] == local["counts"]
    ours, theirs = dict(found["metrics"]), dict(local["metrics"])
    classes = ours.pop("per_class"), theirs.pop("per_class")
    assert ours == pytest.approx(theirs, abs=1e-6)
    assert classes[0].keys() == classes[1].keys()
    for name, numbers in classes[0].items():
        assert numbers == pytest.approx(classes[1][name], abs=1e-6), name
    assert found.keys() - {"finished"} == local.keys()


def test_it_left_the_same_artifacts(first, local, server, place):
    code = """if True:
        import json, sys
        from pipeline.run.connection import connection_config
        from components.lineage.outputs import read_outputs
        found = read_outputs(connection_config(sys.argv[1]), sys.argv[2])
        print(json.dumps({name: artifact.type_name for name, artifact in found.items()}))
    """
    mysql = {"host": "127.0.0.1", "port": server.port, "database": "bit", "user": mariadb.USER}
    sqlite = {"sqlite": str(place / "local" / "metadata" / "metadata.sqlite")}
    stores = (({"mysql": mysql}, "run-1"), (sqlite, local["run_id"]))
    environment = {**os.environ, "BIT_METADATA_PASSWORD": mariadb.PASSWORD}
    found = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", code, json.dumps(store), run_id],
                check=True,
                capture_output=True,
                text=True,
                env=environment,
                cwd=ROOT,
            ).stdout.splitlines()[-1]
        )
        for store, run_id in stores
    ]
    assert found[0] == found[1]
    assert len(found[0]) > len(STEPS)


def test_kfp_shows_the_numbers_the_matrix_the_page_and_the_verdict(first, place):
    evaluator, report = first.tasks["evaluator"], first.tasks["report"]
    metrics, found = evaluator.artifacts["metrics"], summary(place, "run-1")
    assert metrics["type"] == "system.Metrics"
    assert metrics["metadata"]["accuracy"] == pytest.approx(found["metrics"]["accuracy"])
    assert metrics["metadata"]["images"] == 270
    matrix = evaluator.artifacts["confusion"]["metadata"]["confusionMatrix"]
    rows = [each["row"] for each in matrix["rows"]]
    assert sum(map(sum, rows)) == 270
    right = sum(row[index] for index, row in enumerate(rows))
    assert right / 270 == pytest.approx(found["metrics"]["accuracy"])
    assert report.artifacts["page"]["type"] == "system.HTML"
    assert "<html" in report.artifacts["page"]["content"]
    assert evaluator.parameters == {"verdict": "blessed"}
    page = (place / "volume" / "digits" / "report" / "index.html").read_text()
    assert "registry/bit@sha256:" in page


def test_a_rejected_model_is_not_pushed_and_the_run_says_so(rejected, place):
    assert rejected.state == SUCCEEDED
    assert rejected.tasks["model-rejected"].state == SUCCEEDED
    assert rejected.tasks["evaluator"].parameters == {"verdict": "rejected"}
    found = summary(place, "run-2")
    assert (found["exit_code"], found["blessed"], found["pushed"]) == (3, False, None)
    assert "below evaluation.min_accuracy 1.0" in found["reasons"][0]
    assert states(found)["Trainer"] == "cached"
    assert len(list((place / "volume" / "digits" / "serving").iterdir())) == 1


def test_data_that_cannot_be_had_ends_the_run_at_its_first_task(refused, place):
    assert refused.state == FAILED
    assert refused.tasks["prepare"].codes == [2, 2]
    nodes = {refused.tasks[name.lower()].state for name in STEPS}
    assert nodes == {OMITTED}
    assert refused.tasks["finish"].state == SUCCEEDED
    found = summary(place)
    assert found["exit_code"] == 2
    assert "no_such_data_set" in found["reasons"][0]
    assert set(states(found).values()) == {"skipped"}


def test_all_runs_are_on_one_page(refused, place):
    page = (place / "volume" / "digits" / "report" / "runs.html").read_text()
    assert all(f"run-{number}" in page for number in (1, 2, 3))


def test_the_password_is_in_no_file(refused, place):
    for root in (place / "volume", place / "kfp", place / "digits.yaml"):
        for path in [root] if root.is_file() else root.rglob("*"):
            if path.is_file():
                assert mariadb.PASSWORD.encode() not in path.read_bytes(), path
