"""One node by TFX's launcher: its exit codes, and what a retry makes of what was left."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.lineage.outputs import read_outputs
from kubeflow import parameters
from kubeflow.node import main
from pipeline.config import dump_config, load_config
from pipeline.inputs.span import settle_span
from pipeline.run.connection import connection_config

KILLED_BEFORE_ITS_END = """if True:
    import os, signal, sys
    from kubeflow import node
    from components.example_gen import executor
    executor._describe = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    node.main(sys.argv[1:])
"""


class Run:
    """A run on SQLite whose tasks the test starts one by one."""

    def __init__(self, folder: Path, tfds_dir: Path, *overrides: str):
        self.folder, self.output = folder, folder / "out"
        given = [f"data.data_dir={tfds_dir}", "kubeflow.image=registry/bit:1"]
        given += ["training.warm_start=true", *overrides]
        self.config = load_config("digits", overrides=given)
        self.common = [
            "--run-id=run",
            f"--output={self.output}",
            f"--metadata={json.dumps({'sqlite': str(folder / 'm.sqlite')})}",
        ]

    def rename(self, run_id: str) -> None:
        """Makes it another run of the same pipeline."""
        self.common[0] = f"--run-id={run_id}"

    def prepare(self) -> int:
        given = [
            f"--{n.replace('_', '-')}={v}" for n, v in parameters.defaults(self.config).items()
        ]
        return main(
            [
                "prepare",
                *self.common,
                f"--config={json.dumps(dump_config(self.config))}",
                *given,
                "--overrides=[]",
                "--use-cache=true",
                f"--ir-to={self.folder}/ir",
                f"--sha256-to={self.folder}/sha256",
            ]
        )

    def arguments(self, node: str, sha256: str | None = None) -> list[str]:
        found = sha256 or (self.folder / "sha256").read_text()
        return [node, *self.common, f"--ir={(self.folder / 'ir').read_text()}", f"--sha256={found}"]

    def step(self, node: str) -> dict:
        path = self.output / "logs" / "run" / "steps" / f"{node}.json"
        return json.loads(path.read_text())


@pytest.fixture(scope="module")
def run(tmp_path_factory, tfds_dir):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CUDA_VISIBLE_DEVICES", "TF_USE_LEGACY_KERAS", "TF_CPP_MIN_LOG_LEVEL"):
            patch.setenv(name, os.environ[name])
        found = Run(tmp_path_factory.mktemp("launch"), tfds_dir)
        assert found.prepare() == 0
        yield found


@pytest.fixture(scope="module")
def killed(run):
    """The output folder of a ImageExampleGen that was killed with all of it written."""
    ran = subprocess.run(
        [sys.executable, "-c", KILLED_BEFORE_ITS_END, *run.arguments("ImageExampleGen")],
        capture_output=True,
        check=False,
    )
    assert ran.returncode == -9, ran.stdout[-2000:]
    assert run.step("ImageExampleGen")["state"] == "running"
    (folder,) = (run.output / "artifacts" / "ImageExampleGen" / "examples").iterdir()
    stray = folder / "Split-train" / "data_tfrecord-00007-of-00008.gz"
    stray.write_bytes(gzip.compress(b"what an attempt with other shards left"))
    return folder


@pytest.fixture(scope="module")
def retried(run, killed):
    return main(run.arguments("ImageExampleGen"))


def test_the_compiled_pipeline_has_no_password_and_the_runs_id(run):
    text = Path((run.folder / "ir").read_text()).read_text()
    assert '"password": ' not in text
    assert '"run"' in text


def test_a_retry_empties_what_the_killed_attempt_left(run, killed, retried):
    assert retried == 0
    assert run.step("ImageExampleGen")["state"] == "complete"
    assert list(killed.parent.iterdir()) == [killed]
    assert [path.name for path in (killed / "Split-train").iterdir()] == [
        "data_tfrecord-00000-of-00001.gz"
    ]


def test_prepare_settled_the_span_of_the_data(run, retried):
    connection = connection_config(json.dumps({"sqlite": str(run.folder / "m.sqlite")}))
    examples = read_outputs(connection, "run")["ImageExampleGen.examples"]
    assert examples.span == 1
    fingerprint = examples.get_string_custom_property("fingerprint")
    assert settle_span(connection, "digits", fingerprint) == 1
    assert settle_span(connection, "digits", "other data") == 2


def test_a_warm_start_before_there_is_a_model_is_no_failure(run):
    assert main(run.arguments("WarmStart")) == 0
    assert run.step("WarmStart")["state"] == "complete"


def test_a_step_that_is_done_is_not_done_again(run, killed, retried):
    written = {path: path.stat().st_mtime_ns for path in killed.rglob("*")}
    assert main(run.arguments("ImageExampleGen")) == 0
    assert {path: path.stat().st_mtime_ns for path in killed.rglob("*")} == written


def test_a_step_whose_inputs_are_not_there_fails(run):
    assert main(run.arguments("ExampleValidator")) == 1
    assert "its inputs did not resolve" in run.step("ExampleValidator")["error"]


def test_another_pipeline_than_prepare_compiled_is_refused(run, capsys):
    assert main(run.arguments("Pusher", sha256="0" * 64)) == 2
    assert "somebody changed it" in capsys.readouterr().out


def test_an_inferred_schema_is_written_and_the_next_run_uses_it(tmp_path, tfds_dir, monkeypatch):
    for name in ("CUDA_VISIBLE_DEVICES", "TF_USE_LEGACY_KERAS", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(name, os.environ[name])
    path = tmp_path / "mine.pbtxt"
    run = Run(tmp_path, tfds_dir, "data.curated_schema=null", f"data.write_schema={path}")
    for expected in ("StatisticsGen", "ImportSchemaGen"):
        assert run.prepare() == 0
        compiled = json.loads(Path((tmp_path / "ir").read_text()).read_text())
        nodes = {n["pipelineNode"]["nodeInfo"]["id"]: n["pipelineNode"] for n in compiled["nodes"]}
        schema_gen = nodes["SchemaGen"]
        assert expected in json.dumps([schema_gen["nodeInfo"], schema_gen.get("upstreamNodes")])
        for node in ("ImageExampleGen", "StatisticsGen", "SchemaGen"):
            assert main(run.arguments(node)) == 0
        assert main(["finish", *run.common, "--pipeline=digits"]) == 0
        assert "minimum_supported_image_fraction: 1.0" in path.read_text()
        path.write_text(path.read_text().replace("max: 9", "max: 10"))
        run.rename("again")
    assert "max: 10" in path.read_text()
    written = (run.output / "artifacts" / "SchemaGen" / "schema").glob("*/schema.pbtxt")
    assert any("max: 10" in each.read_text() for each in written)
