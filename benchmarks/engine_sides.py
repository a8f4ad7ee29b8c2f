"""What `benchmarks.engines` compares: a step alone, and a Flink cluster, with cores of their own.

with started(Side(FLINK, 2), work) as engine, Watch(engine.processes), engine.held():
    run_the_step(engine.section)
print(engine.job())
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.processes import children
from benchmarks.scale import IN_PROCESS, Run, Side

_SETTLED_S = 120


class InProcess:
    """The step's process is all there is."""

    def __init__(self, slots: int):
        self.section: dict[str, Any] = {}
        self._cores = _cores(slots)

    def processes(self) -> Mapping[int, str]:
        """None beside the step's."""
        return {}

    def settle(self) -> None:
        """Nothing is left of a step before."""

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """What is started meanwhile, by this thread, has these cores only."""
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self._cores)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)

    def job(self) -> Run:
        """There is no job."""
        return {"upload_s": None}


class Flink:
    """A cluster of `slots` task managers."""

    def __init__(self, cluster: Any):
        self._cluster = cluster
        self.section = cluster.section()

    def processes(self) -> Mapping[int, str]:
        """Those of the cluster, and what the pools have started, by the pool's number."""
        found = {process.pid: name for name, process in self._cluster.processes.items()}
        pools = {pid: name for pid, name in found.items() if name.startswith("pool-")}
        for pool, name in pools.items():
            found |= dict.fromkeys(children(pool), name.replace("pool", "worker"))
        return found

    def settle(self) -> None:
        """Returns once the workers of a job before have ended (`environment_cache_millis`).

        Raises:
          RuntimeError: they have not, in two minutes.
        """
        end = time.monotonic() + _SETTLED_S
        while self._cluster.workers():
            if time.monotonic() > end:
                raise RuntimeError(f"workers are left: {self._cluster.workers()}")
            time.sleep(0.5)

    def held(self) -> contextlib.AbstractContextManager[None]:
        """The step only waits, wherever it likes."""
        return contextlib.nullcontext()

    def job(self) -> Run:
        """When the last job began on Flink (time.time()), and how long it ran."""
        job = self._cluster.rest.jobs()[-1]
        # Beam's job server may know it earlier.
        while job["state"] == "RUNNING":
            time.sleep(0.1)
            job = self._cluster.rest.jobs()[-1]
        if job["state"] != "FINISHED":
            raise RuntimeError(f"{job['name']} is {job['state']}")
        return {"job_began": job["start-time"] / 1000, "job_s": job["duration"] / 1000,
                "held_to_cores": self._cluster.separate}  # fmt: skip


@contextlib.contextmanager
def started(side: Side, work: Path) -> Iterator[InProcess | Flink]:
    """A side, ready for steps: a new cluster of as many task managers as it has slots.

    Args:
      side: which.
      work: where the cluster's logs go, `flink-<slots>`.
    """
    if side.engine == IN_PROCESS:
        yield InProcess(side.slots)
        return
    from tests.engines.flink.cluster import Cluster

    folder = work / f"flink-{side.slots}"
    shutil.rmtree(folder, ignore_errors=True)
    with Cluster(folder, managers=side.slots, cores=sorted(_cores(side.slots))) as cluster:
        yield Flink(cluster)


def _cores(slots: int) -> set[int]:
    return set(sorted(os.sched_getaffinity(0))[:slots])
