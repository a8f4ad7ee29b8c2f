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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.process import ROOT
from tests.engines import network
from tests.engines.flink import settings
from tests.engines.flink.rest import Rest
from tests.engines.packages import FLINK
from tests.engines.processes import Processes, free_ports, listens, pool_command

PORTS = {"rpc": 6123, "rest": 8081, "job": 8099, "artifacts": 8098, "pool": 50000}
"""In namespaces; elsewhere free ones."""

_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_JOB_SERVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"


class Cluster(Processes):
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
        super().__init__(folder, code)
        self._managers = managers
        self._cores = cores
        self._undo = contextlib.ExitStack()
        self._network: network.Network | None = None
        recipe = {**settings.RECIPE, **settings.MANAGER, **(changes or {})}
        self._settings = {name: value for name, value in recipe.items() if value is not None}

    def __enter__(self) -> Cluster:
        with contextlib.ExitStack() as stack:
            self._class_path = os.pathsep.join(map(str, FLINK.jars()))
            if network.possible():
                names = ["jobmanager", *(f"taskmanager-{n}" for n in range(self._managers))]
                self._network = stack.enter_context(network.Network(names))
            free = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
            self._ports = PORTS if self._network else free
            self.job_endpoint = f"{self._host('jobmanager')}:{self._ports['job']}"
            self.pool = f"localhost:{self._ports['pool']}"
            self.rest = Rest(f"http://{self._host('jobmanager')}:{self._ports['rest']}")
            stack.push(super().__exit__)
            super().__enter__()
            self._prepare()
            for name in self.commands:
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

    def wait_until_ready(self) -> None:
        """Returns once every process listens and every task manager has reported.

        Raises:
          RuntimeError: one has ended, or the time is up; with the end of its log.
        """
        ports = self._ports
        pools = [name for name in self.commands if name.startswith("pool")]
        hosts = [self._host(name.replace("pool", "taskmanager")) for name in pools]
        self.wait_for("task managers", lambda: len(self.rest.managers()) == self._managers)
        self.wait_for("job server", lambda: listens(self._host("jobmanager"), ports["job"]))
        self.wait_for("worker pools", lambda: all(listens(host, ports["pool"]) for host in hosts))

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
        self.commands["jobmanager"] = [*within, *java, "-Xmx512m", *main]
        for number in range(self._managers):
            self._prepare_manager(number, common)
        self.commands["jobserver"] = [
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
        self.commands[name] = [*within, *java, *main]
        if self._network or number == 0:
            self.commands[f"pool-{number}"] = [*within, *pool_command(self._ports["pool"])]

    def _flink(self, main: str, name: str, own: Mapping[str, Any]) -> list[str]:
        """Writes the configuration of one of Flink's processes; the end of its command."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        temporary = ("io.tmp.dirs", "blob.storage.directory", "web.tmpdir")
        text = settings.as_yaml({**own, **dict.fromkeys(temporary, folder)})
        (folder / "config.yaml").write_text(text, encoding="utf-8")
        return ["-cp", self._class_path, main, "--configDir", str(folder)]
