"""Workers that cannot do the work are refused in seconds, with what is wrong, before a step."""

import os
import shutil
import socket
import subprocess
import time

import pytest

from components.errors import UserError
from pipeline.config.beam import BeamConfig
from pipeline.inputs.code import ROOT
from pipeline.run.probe import check_job_server, probe
from pipeline.run.worker_facts import Facts, objection
from tests.beam.conftest import free_port, worker_pool
from tests.e2e.conftest import QUICK

HOST = socket.gethostname()
# The slow ones take some 10 s each, most of it the start of a worker.


def section(services, pool, **options):
    given = {
        "job_endpoint": services.job_endpoint,
        "environment_type": "EXTERNAL",
        "environment_config": pool,
        **options,
    }
    return BeamConfig(runner="PortableRunner", options=given)


def copy_of_the_project(folder):
    for name in ("components", "pipeline"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def hidden():
    """A command prefix that mounts an empty disk over a folder, for its process alone."""
    trial = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    if os.getuid() or not shutil.which("unshare") or subprocess.run(trial, check=False).returncode:
        pytest.skip("only root can mount a disk for one process, and not in every container")

    def prefix(folder):
        mount = f'mount -t tmpfs none "{folder}" && exec "$@"'
        return ("unshare", "--mount", "sh", "-c", mount, "sh")

    return prefix


@pytest.mark.slow
def test_workers_that_can_do_the_work_say_so(services, tfds_dir, tmp_path):
    found = probe(section(services, services.pool), tmp_path, [str(tfds_dir / "digits")])
    here = Facts.here(())
    assert found
    for worker in found:
        assert worker == here
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_worker_that_does_not_see_the_output_is_refused(run, services, hidden, tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    with worker_pool(tmp_path, hidden(output), PYTHONPATH=str(ROOT)) as pool:
        started = time.monotonic()
        ended = run(output, *QUICK, *services.overrides(environment_config=pool))
        assert time.monotonic() - started < 120
    assert ended.exit_code == 2
    (reason,) = ended.summary["reasons"]
    assert reason.startswith(
        f"beam.runner PortableRunner: a worker on {HOST} cannot use {output} of this machine "
        f"({HOST}): what is written here is not there."
    )
    assert set(ended.states.values()) == {"skipped"}
    assert "Asking Beam's workers" in ended.out
    assert "Loading TFX" not in ended.out


@pytest.mark.slow
def test_a_worker_that_does_not_see_the_data_is_refused(services, hidden, tfds_dir, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(tfds_dir / "digits", data)
    file = str(next(data.rglob("*.tfrecord*")))
    output = tmp_path / "out"
    output.mkdir()
    with (
        worker_pool(tmp_path, hidden(data), PYTHONPATH=str(ROOT)) as pool,
        pytest.raises(UserError) as refused,
    ):
        probe(section(services, pool), output, [file])
    assert f"a worker on {HOST} cannot read {file} (No such file or directory)" in str(
        refused.value
    )


@pytest.mark.slow
def test_a_worker_with_other_code_is_refused(services, tmp_path):
    other = copy_of_the_project(tmp_path / "other")
    module = other / "components" / "evaluator" / "predictions.py"
    module.write_text(
        module.read_text().replace("_LEAST_ROWS, _MOST_ROWS = 64,", "_LEAST_ROWS, _MOST_ROWS = 65,")
    )
    output = tmp_path / "out"
    output.mkdir()
    with (
        worker_pool(tmp_path, PYTHONPATH=str(other)) as pool,
        pytest.raises(UserError) as refused,
    ):
        probe(section(services, pool), output, [])
    assert (
        f"a worker on {HOST} has another version of this project: components.evaluator.predictions "
        "differs: set beam.setup_file to auto"
    ) in str(refused.value)
    assert list(output.iterdir()) == []


@pytest.mark.slow
def test_a_worker_without_the_project_is_refused(services, tmp_path):
    # This environment has it installed: an empty package stands before it.
    (tmp_path / "empty" / "pipeline").mkdir(parents=True)
    (tmp_path / "empty" / "pipeline" / "__init__.py").touch()
    with (
        worker_pool(tmp_path, PYTHONPATH=str(tmp_path / "empty")) as pool,
        pytest.raises(UserError) as refused,
    ):
        probe(section(services, pool), tmp_path, [])
    assert "do not have this project: set beam.setup_file to auto" in str(refused.value)


@pytest.mark.slow
def test_a_pool_that_cannot_start_workers_is_refused(services, tmp_path):
    with worker_pool(tmp_path, PATH="/nowhere") as pool, pytest.raises(UserError) as refused:
        probe(section(services, pool), tmp_path, [])
    assert "failed: FileNotFoundError: [Errno 2] No such file or directory: 'python'" in str(
        refused.value
    )


@pytest.mark.slow
def test_workers_that_never_answer_are_refused(services, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(0o755)
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    with worker_pool(tmp_path, PATH=path) as pool, pytest.raises(UserError) as refused:
        probe(section(services, pool), tmp_path, [], limit_s=5)
    assert "no worker has done anything within 5 s" in str(refused.value)
    assert pool in str(refused.value)


@pytest.mark.slow
def test_a_service_that_is_gone_since_is_refused(services, tmp_path):
    nobody = f"localhost:{free_port()}"
    with pytest.raises(UserError, match="the workers were asked what they are, and failed"):
        probe(
            section(services, services.pool, job_endpoint=nobody, job_server_timeout=5),
            tmp_path,
            [],
        )


def facts(**others):
    same = {"python": "3.10.14", "libraries": {"tfx": "1.16.0"}, "code": {"components.a": "1"}}
    return Facts("node-7", **{**same, **others})


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"python": "3.10.2"}, ""),
        ({"python": "3.13.1"}, "has Python 3.13.1, and the steps have 3.10.14. Use one image"),
        ({"libraries": {"tfx": ""}}, "has tfx missing, and the steps have 1.16.0. Use one image"),
        ({"code": {}}, "has another version of this project: components.a differs"),
        ({"code": {"components.b": "1"}}, "project: components.a, components.b differ: set beam"),
        ({"unread": {"/data": "Permission denied"}}, "cannot read /data (Permission denied)."),
    ],
)
def test_what_speaks_against_a_worker(other, said):
    found = objection(facts(), [facts(), facts(**other)])
    assert said in found
    assert bool(said) == found.startswith("a worker on node-7 ")


FLINK = {
    "flink_master": "jobmanager:8081",
    "environment_type": "EXTERNAL",
    "environment_config": "localhost:50000",
}


@pytest.mark.parametrize("jar", ["/nowhere/job-server.jar", "http://localhost:{port}/server.jar"])
def test_a_job_server_whose_jar_is_not_to_be_had_is_refused(jar, tmp_path, monkeypatch):
    from apache_beam.options.pipeline_options import PipelineOptions

    from pipeline.config.beam import beam_pipeline_args

    java = tmp_path / "java"
    java.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    jar = jar.format(port=free_port())
    config = BeamConfig(runner="FlinkRunner", options={**FLINK, "flink_job_server_jar": jar})
    options = PipelineOptions(beam_pipeline_args(config))
    started = time.monotonic()
    with pytest.raises(UserError) as refused:
        check_job_server(config, options)
    assert time.monotonic() - started < 30
    assert "the jar of Beam's job server is not to be had" in str(refused.value)
    assert jar in str(refused.value)
    java.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="there is no java on the PATH"):
        check_job_server(config, options)
