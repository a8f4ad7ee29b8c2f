"""Processes of a cluster on this machine, by name: each with a log, and all end with this one.

with Processes(folder) as cluster:
    cluster.commands["pool"] = pool_command(50000)
    cluster.start("pool")
    cluster.wait_for("worker pool", lambda: listens("localhost", 50000))
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.processes import children
from components.process import ROOT

_START_S = 300
# Whatever ends this process, the cluster ends too.
_WITH_PARENT = ["setpriv", "--pdeathsig", "KILL", "--"]


class Processes:
    """The processes; those whose name begins with `pool` are worker pools of Beam's.

    Args:
      folder: logs and temporary files; made if it does not exist.
      code: what the workers import the project from.

    Attributes:
      commands: of each process, by its name.
      environment: their variables, beside those of this process.
      processes: those that run.
    """

    def __init__(self, folder: Path, code: Path = ROOT):
        self.folder = folder
        self.commands: dict[str, list[str]] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            # A pool starts its workers as plain `python`.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(code),
            "TF_USE_LEGACY_KERAS": "1",
            "CUDA_VISIBLE_DEVICES": "-1",
        }

    def __enter__(self) -> Processes:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *error: object) -> None:
        for name in list(self.processes):
            self.kill(name)

    def start(self, name: str) -> None:
        """Starts a process that does not run (the first time, or after `kill`)."""
        with self.log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*_WITH_PARENT, *self.commands[name]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """Ends a process as a machine that goes: SIGKILL, to it and whatever it has started."""
        process = self.processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def log(self, name: str) -> Path:
        """What a process has printed since the cluster began."""
        return self.folder / f"{name}.log"

    def workers(self) -> list[int]:
        """Process ids of the Python workers that the pools have started and that still run."""
        pools = [found for name, found in self.processes.items() if name.startswith("pool")]
        pids = [pid for pool in pools for pid in children(pool.pid)]
        # A pool leaves those that have ended as zombies.
        return [pid for pid in pids if " Z " not in Path(f"/proc/{pid}/stat").read_text()]

    def workers_started(self) -> dict[str, int]:
        """How many Python workers each pool has started so far."""
        pools = [name for name in self.commands if name.startswith("pool")]
        return {
            name: self.log(name).read_text().count("Starting worker with command") for name in pools
        }

    def wait_for(self, what: str, ready: Callable[[], bool]) -> None:
        """Returns once a condition holds.

        Raises:
          RuntimeError: a process has ended, with the end of its log; or the time is up.
        """
        end = time.monotonic() + _START_S
        while not ready():
            self._check_alive()
            if time.monotonic() > end:
                raise RuntimeError(f"{what}: not ready after {_START_S} s; see {self.folder}")
            time.sleep(0.2)

    def _check_alive(self) -> None:
        for name, process in self.processes.items():
            if process.poll() is not None:
                lines = self.log(name).read_text(errors="replace").splitlines()[-20:]
                how = f"{name} ended with {process.returncode}: {self.log(name)}"
                raise RuntimeError("\n".join([how, *lines]))


def pool_command(port: int) -> list[str]:
    """The command of Beam's worker pool."""
    module = "apache_beam.runners.worker.worker_pool_main"
    return [sys.executable, "-m", module, f"--service_port={port}"]


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    with contextlib.ExitStack() as stack:
        servers = [socket.create_server(("localhost", 0)) for _ in range(count)]
        return [stack.enter_context(server).getsockname()[1] for server in servers]


def listens(host: str, port: int) -> bool:
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
