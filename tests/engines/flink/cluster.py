"""A Flink cluster on this machine: job manager, task managers, worker pools, Beam's job server.

    with Cluster(folder, managers=2) as cluster:
        print(cluster.rest.managers())
        config = {"beam": cluster.section(parallelism=2)}

Where root may make network namespaces, the job manager has one, and each task manager, with a pool
of its own at the same address: what other machines would be. Elsewhere all share this machine's
network, and the task managers one pool.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from components.process import ROOT
from tests.engines.flink import network, packages, settings
from tests.engines.flink.rest import Rest

PORTS = {"rpc": 6123, "rest": 8081, "job": 8099, "artifacts": 8098, "pool": 50000}
"""In namespaces; elsewhere free ones."""

_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_JOB_SERVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"
_START_S = 300
# Whatever ends this process, the cluster ends too.
_WITH_PARENT = ["setpriv", "--pdeathsig", "KILL", "--"]


class Cluster:
    """The processes by name: `jobmanager`, `taskmanager-0`, `pool-0`, ..., `jobserver`.

    Args:
      folder: logs, configuration and temporary files; made if it does not exist.
      managers: number of task managers, of one slot each.
      code: what the workers import the project from.
      changes: of `settings.RECIPE`; None leaves a key out.
      cores: one for each task manager and its pool, where they have namespaces; None: all have all.
    """

    def __init__(
        self,
        folder: Path,
        managers: int = 2,
        code: Path = ROOT,
        changes: Mapping[str, Any] | None = None,
        cores: Sequence[int] | None = None,
    ):
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._managers = managers
        self._code = code
        self._cores = cores
        self._undo = contextlib.ExitStack()
        self._network: network.Network | None = None
        self._commands: dict[str, list[str]] = {}
        recipe = {**settings.RECIPE, **settings.MANAGER, **(changes or {})}
        self._settings = {name: value for name, value in recipe.items() if value is not None}

    def __enter__(self) -> Cluster:
        with contextlib.ExitStack() as stack:
            self._class_path = os.pathsep.join(map(str, packages.jars()))
            if network.possible():
                names = ["jobmanager", *(f"taskmanager-{n}" for n in range(self._managers))]
                self._network = stack.enter_context(network.Network(names))
            free = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
            self._ports = PORTS if self._network else free
            self.job_endpoint = f"{self._host('jobmanager')}:{self._ports['job']}"
            self.pool = f"localhost:{self._ports['pool']}"
            self.rest = Rest(f"http://{self._host('jobmanager')}:{self._ports['rest']}")
            stack.callback(self._stop_all)
            self._prepare()
            for name in self._commands:
                self.start(name)
            self.wait_until_ready()
            self._undo = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._undo.close()

    @property
    def separate(self) -> bool:
        """Whether each task manager has a network and a pool of its own."""
        return self._network is not None

    def section(self, **options: Any) -> dict[str, Any]:
        """The configuration's `beam` that sends a run's jobs here; options of Beam on top."""
        return {
            "runner": "FlinkRunner",
            "options": {
                "job_endpoint": self.job_endpoint,
                # Where a run that ends early cancels its job (pipeline/run/beam_jobs.py).
                "flink_master": self.rest.address.removeprefix("http://"),
                "environment_type": "EXTERNAL",
                "environment_config": self.pool,
                "environment_cache_millis": settings.ENVIRONMENT_CACHE_MS,
                "parallelism": self._managers,
                **options,
            },
        }

    def start(self, name: str) -> None:
        """Starts a process that does not run (the first time, or after `kill`)."""
        environment = {
            **os.environ,
            # A pool starts its workers as plain `python`.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(self._code),
            "TF_USE_LEGACY_KERAS": "1",
            "CUDA_VISIBLE_DEVICES": "-1",
        }
        with self.log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*_WITH_PARENT, *self._commands[name]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=environment,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """Ends a process as a machine that goes: SIGKILL, to it and whatever it has started."""
        process = self.processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def workers(self) -> list[int]:
        """Process ids of the Python workers that the pools have started and that still run."""
        pools = [found for name, found in self.processes.items() if name.startswith("pool")]
        lists = [
            each for pool in pools for each in Path(f"/proc/{pool.pid}/task").glob("*/children")
        ]
        pids = [pid for listed in lists for pid in listed.read_text().split()]
        # A pool leaves those that have ended as zombies.
        return [int(pid) for pid in pids if " Z " not in Path(f"/proc/{pid}/stat").read_text()]

    def log(self, name: str) -> Path:
        """What a process has printed since the cluster began."""
        return self.folder / f"{name}.log"

    def workers_started(self) -> int:
        """How many Python workers the pools have started so far."""
        pools = [self.log(name) for name in self._commands if name.startswith("pool")]
        return sum(log.read_text().count("Starting worker with command") for log in pools)

    def wait_until_ready(self) -> None:
        """Returns once every process listens and every task manager has reported.

        Raises:
          RuntimeError: one has ended, or the time is up; with the end of its log.
        """
        ports = self._ports
        pools = [name for name in self._commands if name.startswith("pool")]
        hosts = [self._host(name.replace("pool", "taskmanager")) for name in pools]
        conditions: dict[str, Callable[[], bool]] = {
            "task managers": lambda: len(self.rest.managers()) == self._managers,
            "job server": lambda: listens(self._host("jobmanager"), ports["job"]),
            "worker pools": lambda: all(listens(host, ports["pool"]) for host in hosts),
        }
        end = time.monotonic() + _START_S
        for what, ready in conditions.items():
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

    def _host(self, name: str) -> str:
        return self._network.hosts[name] if self._network else "localhost"

    def _within(self, name: str) -> list[str]:
        """What the command of a process of this host begins with."""
        if not self._network:
            return []
        number = name.removeprefix("taskmanager-")
        core = self._cores[int(number)] if self._cores and number.isdigit() else None
        pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
        return [*pinned, *self._network.within(name)]

    def _prepare(self) -> None:
        """Writes each process's configuration and works out its command."""
        host, within = self._host("jobmanager"), self._within("jobmanager")
        common = {
            **self._settings,
            "jobmanager.rpc.address": host,
            "jobmanager.rpc.port": self._ports["rpc"],
            "rest.address": host,
            "rest.port": self._ports["rest"],
            # A namespace has nobody else in it; this machine is not to offer it to others.
            "rest.bind-address": "0.0.0.0" if self._network else host,
        }
        java = ["java", *settings.JAVA_OPTIONS]
        own = {"jobmanager.bind-host": "0.0.0.0" if self._network else host}
        main = self._flink(_JOB_MANAGER, "jobmanager", {**common, **own})
        self._commands["jobmanager"] = [*within, *java, "-Xmx512m", *main]
        for number in range(self._managers):
            self._prepare_manager(number, common)
        self._commands["jobserver"] = [
            *within,
            *(*java, "-Xmx512m", "-cp", self._class_path, _JOB_SERVER),
            f"--flink-master={host}:{self._ports['rest']}",
            *(f"--job-host={host}", f"--job-port={self._ports['job']}"),
            # With port 0 it would be offered at localhost.
            *(f"--artifact-port={self._ports['artifacts']}", "--expansion-port=0"),
            f"--artifacts-dir={self.folder / 'artifacts'}",
        ]

    def _prepare_manager(self, number: int, common: Mapping[str, Any]) -> None:
        name = f"taskmanager-{number}"
        host, within = self._host(name), self._within(name)
        own = {"taskmanager.host": host, "taskmanager.bind-host": host}
        main = self._flink(_TASK_MANAGER, name, {**common, **own, "taskmanager.resource-id": name})
        java = ["java", *settings.JAVA_OPTIONS, *settings.memory_options(self._settings)]
        self._commands[name] = [*within, *java, *main]
        if self._network or number == 0:
            pool = [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main"]
            pool.append(f"--service_port={self._ports['pool']}")
            self._commands[f"pool-{number}"] = [*within, *pool]

    def _flink(self, main: str, name: str, own: Mapping[str, Any]) -> list[str]:
        """Writes the configuration of one of Flink's processes; the end of its command."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        temporary = ("io.tmp.dirs", "blob.storage.directory", "web.tmpdir")
        text = settings.as_yaml({**own, **dict.fromkeys(temporary, folder)})
        (folder / "config.yaml").write_text(text, encoding="utf-8")
        return ["-cp", self._class_path, main, "--configDir", str(folder)]

    def _stop_all(self) -> None:
        for name in list(self.processes):
            self.kill(name)


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
