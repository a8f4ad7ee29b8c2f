"""Beam's own job service and worker pool as processes, and our package for their workers."""

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from pipeline.config.beam import BeamConfig, beam_pipeline_args
from tests.e2e.conftest import run  # noqa: F401  # A fixture.

_BUILD_WHEEL = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


@dataclasses.dataclass
class Services:
    """Where the two listen, what the pool printed, and the folder its workers import us from."""

    job_endpoint: str
    pool: str
    pool_log: Path
    package: Path

    def overrides(self, **options):
        """`--set` of a run on them."""
        given = {
            "job_endpoint": self.job_endpoint,
            "environment_type": "EXTERNAL",
            "environment_config": self.pool,
            **options,
        }
        text = ", ".join(f"{name}: '{value}'" for name, value in given.items())
        return (
            "beam.runner=PortableRunner",
            f"beam.options={{{text}}}",
            "beam.setup_file=auto",
        )

    def workers(self):
        """How many worker processes the pool has started."""
        return self.pool_log.read_text().count("Starting worker with command")


@pytest.fixture(scope="session")
def staged(tmp_path_factory):
    """What Beam makes of `setup_file: auto` and sends to every worker."""
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.stager import Stager

    section = BeamConfig(
        runner="PortableRunner",
        options={"job_endpoint": "localhost:1", "environment_type": "LOOPBACK"},
        setup_file="auto",
    )
    folder = tmp_path_factory.mktemp("staged")
    Stager.create_job_resources(PipelineOptions(beam_pipeline_args(section)), str(folder))
    (package,) = folder.glob("*.tar.gz")
    return package


@pytest.fixture(scope="session")
def package(staged, tmp_path_factory):
    """The staged package as a worker's pip installs it: a wheel, unpacked into a folder."""
    folder = tmp_path_factory.mktemp("package")
    with tarfile.open(staged) as archive:
        archive.extractall(folder / "source")
    (source,) = (folder / "source").iterdir()
    wheels = folder / "wheels"
    wheels.mkdir()
    subprocess.run(
        [sys.executable, "-c", _BUILD_WHEEL, str(wheels)],
        check=True,
        cwd=source,
        capture_output=True,
    )
    (wheel,) = wheels.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


@pytest.fixture(scope="session")
def services(package, tmp_path_factory):
    """Both services, on free ports, in an environment that knows us by the package alone."""
    folder = tmp_path_factory.mktemp("services")
    environment = {
        **os.environ,
        # The pool starts its workers as plain `python`.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(package),
        "TF_USE_LEGACY_KERAS": "1",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    ports = {name: free_port() for name in ("job", "pool")}
    commands = {
        "job": ("portability.local_job_service_main", f"--port={ports['job']}"),
        "pool": ("worker.worker_pool_main", f"--service_port={ports['pool']}"),
    }
    started = []
    try:
        for name, (module, port) in commands.items():
            with (folder / f"{name}.log").open("wb") as log:
                command = [sys.executable, "-m", f"apache_beam.runners.{module}", port]
                process = subprocess.Popen(
                    command,
                    stdout=log,
                    stderr=log,
                    cwd=folder,
                    env=environment,
                    start_new_session=True,
                )
                started.append(process)
        for process, port in zip(started, ports.values(), strict=True):
            wait_until_listening(process, port)
        addresses = [f"localhost:{port}" for port in ports.values()]
        yield Services(*addresses, folder / "pool.log", package)
    finally:
        for process in started:
            # The session that each one leads, so that no worker of the pool outlives it.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def worker_pool(folder, prefix=(), **environment):
    """A worker pool on a free port; yields its address.

    Args:
      folder: that it runs in, and takes its log.
      prefix: command that starts it.
      environment: its variables, beside those of this process.
    """
    port = free_port()
    module = "apache_beam.runners.worker.worker_pool_main"
    with (folder / "pool.log").open("wb") as log:
        process = subprocess.Popen(
            [*prefix, sys.executable, "-m", module, f"--service_port={port}"],
            stdout=log,
            stderr=log,
            cwd=folder,
            env={
                **os.environ,
                "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
                **environment,
            },
            start_new_session=True,
        )
    try:
        wait_until_listening(process, port)
        yield f"localhost:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port():
    """A port of this machine that nobody listens on."""
    with socket.create_server(("localhost", 0)) as server:
        return server.getsockname()[1]


def wait_until_listening(process, port, limit_s=120):
    """Returns when somebody listens; fails when the process has ended or the time is up."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        assert process.poll() is None, f"{process.args} ended with {process.returncode}"
        try:
            socket.create_connection(("localhost", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"{process.args} does not listen on {port}")
