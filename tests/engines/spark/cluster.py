"""A Spark cluster on this machine: master, workers, Beam's pool beside each, Beam's job server.

    with Cluster(folder, workers=2) as cluster:
        config = {"beam": cluster.section()}

Where root may make network namespaces, the master and each worker have one: what other machines
would be. Elsewhere all share this machine's network, and the workers one pool. An application of
Spark is one Beam job; its executors are processes of Spark's workers, of one core each.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from components.process import ROOT
from tests.engines import network
from tests.engines.packages import SPARK
from tests.engines.processes import Processes, free_ports, listens, pool_command

PORTS = {"master": 7077, "job": 8099, "artifacts": 8098, "pool": 50000}
"""In namespaces; elsewhere free ones."""

ENVIRONMENT_CACHE_MS = 20_000
"""Beam's option `environment_cache_millis`: with 0 a Python worker is started for each stage."""

_MASTER = "org.apache.spark.deploy.master.Master"
_WORKER = "org.apache.spark.deploy.worker.Worker"
_JOB_SERVER = "org.apache.beam.runners.spark.SparkJobServerDriver"
_OPENED = ("lang", "lang.invoke", "lang.reflect", "io", "net", "nio", "util", "util.concurrent")
# What Spark's own scripts give Java 17; Spark gives them to its executors itself.
JAVA_OPTIONS = [
    *(f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in _OPENED),
    "--add-opens=java.base/java.util.concurrent.atomic=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.cs=ALL-UNNAMED",
    "--add-opens=java.base/sun.security.action=ALL-UNNAMED",
    "--add-opens=java.base/sun.util.calendar=ALL-UNNAMED",
]


class Cluster(Processes):
    """The processes by name: `master`, `worker-0`, `pool-0`, ..., `jobserver`.

    Args:
      folder: logs and temporary files; made if it does not exist.
      workers: number of Spark's workers, of one core each.
      code: what Beam's workers import the project from.
    """

    def __init__(self, folder: Path, workers: int = 2, code: Path = ROOT):
        super().__init__(folder, code)
        self._count = workers
        self._undo = contextlib.ExitStack()
        self._network: network.Network | None = None

    def __enter__(self) -> Cluster:
        with contextlib.ExitStack() as stack:
            jars = SPARK.folder()
            if network.possible():
                names = ["master", *(f"worker-{n}" for n in range(self._count))]
                self._network = stack.enter_context(network.Network(names))
            free = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
            self._ports = PORTS if self._network else free
            self.job_endpoint = f"{self._host('master')}:{self._ports['job']}"
            stack.push(super().__exit__)
            super().__enter__()
            self._prepare(jars)
            for name in self.commands:
                self.start(name)
            self._wait_until_ready()
            self._undo = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._undo.close()

    @property
    def separate(self) -> bool:
        """Whether each of Spark's workers has a network and a pool of its own."""
        return self._network is not None

    def section(self, **options: Any) -> dict[str, Any]:
        """The configuration's `beam` that sends a run's jobs here; options of Beam on top."""
        return {
            "runner": "SparkRunner",
            "options": {
                "job_endpoint": self.job_endpoint,
                "environment_type": "EXTERNAL",
                "environment_config": f"localhost:{self._ports['pool']}",
                "environment_cache_millis": ENVIRONMENT_CACHE_MS,
                **options,
            },
        }

    def applications(self) -> list[dict[str, int]]:
        """The finished tasks of each application, oldest first, by the executor's address."""
        logs = sorted(self._events.glob("app-*"), key=lambda path: path.stat().st_mtime)
        return [_tasks(log) for log in logs]

    def _wait_until_ready(self) -> None:
        registered = "Registering worker"
        pools = [name for name in self.commands if name.startswith("pool")]
        hosts = [self._host(name.replace("pool", "worker")) for name in pools]
        master, port = self.log("master"), self._ports["pool"]
        self.wait_for("workers", lambda: master.read_text().count(registered) == self._count)
        self.wait_for("job server", lambda: listens(self._host("master"), self._ports["job"]))
        self.wait_for("worker pools", lambda: all(listens(host, port) for host in hosts))

    def _host(self, name: str) -> str:
        return self._network.hosts[name] if self._network else "localhost"

    def _within(self, name: str) -> list[str]:
        return self._network.within(name) if self._network else []

    def _prepare(self, jars: Path) -> None:
        """Makes Spark's home, and works out each process's command."""
        home = self.folder / "spark"
        self._events = self.folder / "events"
        for folder in (home, self._events):
            folder.mkdir()
        # A worker gives its executors the jars of Spark's home, Beam's among them.
        (home / "jars").symlink_to(jars)
        # Its scripts would look for a build of Spark to find the version of Scala.
        self.environment.update(
            SPARK_HOME=str(home), SPARK_SCALA_VERSION="2.12", SPARK_LOCAL_DIRS=str(self.folder)
        )
        host, within = self._host("master"), self._within("master")
        url = f"spark://{host}:{self._ports['master']}"
        java = ["java", *JAVA_OPTIONS, "-cp", f"{home / 'jars'}{os.sep}*"]
        self.commands["master"] = [
            *(*within, *java, _MASTER, "--host", host),
            *("--port", str(self._ports["master"]), "--webui-port", "0"),
        ]
        for number in range(self._count):
            name = f"worker-{number}"
            self.commands[name] = [
                *(*self._within(name), *java, _WORKER, "--host", self._host(name)),
                *("--cores", "1", "--memory", "2g", "--webui-port", "0"),
                *("--work-dir", str(self.folder / name), url),
            ]
            if self._network or number == 0:
                pool = [*self._within(name), *pool_command(self._ports["pool"])]
                self.commands[f"pool-{number}"] = pool
        application = {
            "spark.driver.host": host,
            "spark.driver.bindAddress": host,
            "spark.ui.enabled": "false",
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": self._events.as_uri(),
        }
        self.commands["jobserver"] = [
            *(*within, *java, *(f"-D{name}={value}" for name, value in application.items())),
            *(_JOB_SERVER, f"--spark-master-url={url}"),
            *(f"--job-host={host}", f"--job-port={self._ports['job']}"),
            *(f"--artifact-port={self._ports['artifacts']}", "--expansion-port=0"),
            f"--artifacts-dir={self.folder / 'artifacts'}",
        ]


def _tasks(log: Path) -> dict[str, int]:
    """How many tasks each host has finished, of an event log of Spark's."""
    hosts: dict[str, int] = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event["Event"] == "SparkListenerTaskEnd" and not event["Task Info"]["Failed"]:
            host = event["Task Info"]["Host"]
            hosts[host] = hosts.get(host, 0) + 1
    return hosts
