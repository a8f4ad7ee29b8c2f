"""Memory and CPU time of processes that are not ours to change: sampled from /proc (man 5 proc).

    with Watch(lambda: {pid: "worker" for pid in children(pool)}) as watch:
        work()
    print(watch.usage()["worker"].peak_mb)

A process's peak is the kernel's own (VmHWM), reset when the watch begins; what a process did
between its last sample and its end is lost, unless its parent leaves it as a zombie.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")

Found = Callable[[], Mapping[int, str]]
"""The processes of the moment: role by process id."""


@dataclass(frozen=True)
class Usage:
    """What the processes of one role used while they were watched.

    Attributes:
      peak_mb: most memory that one of them held.
      cpu_s: CPU time of all, of all cores.
      processes: how many there were.
    """

    peak_mb: float
    cpu_s: float
    processes: int


class Watch:
    """Samples processes in a thread of its own, from the beginning of `with` to its end.

    Args:
      found: the processes; called for every sample. Several may have one role.
      every_s: time between samples.
    """

    def __init__(self, found: Found, every_s: float = 0.25):
        self._found = found
        self._every_s = every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        # By process id and start time: an id comes back one day.
        self._roles: dict[tuple[int, int], str] = {}
        self._before: dict[tuple[int, int], float] = {}
        self._ended: set[tuple[int, int]] = set()
        self._cpu_s: dict[tuple[int, int], float] = {}
        self._peak_mb: dict[tuple[int, int], float] = {}

    def __enter__(self) -> Watch:
        for pid in self._found():
            with contextlib.suppress(OSError):
                started, cpu_s = times(pid)
                self._before[pid, started] = cpu_s
                if high_water_mb(pid) is None:
                    self._ended.add((pid, started))
                # 5 resets the peak (man 5 proc, clear_refs).
                Path(f"/proc/{pid}/clear_refs").write_text("5")
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()
        self._sample()

    def usage(self) -> dict[str, Usage]:
        """What was used, by role."""
        found = {}
        for role in sorted(set(self._roles.values())):
            keys = [key for key, of in self._roles.items() if of == role]
            found[role] = Usage(
                max(self._peak_mb.get(key, 0.0) for key in keys),
                sum(self._cpu_s[key] - self._before.get(key, 0.0) for key in keys),
                len(keys),
            )
        return found

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            self._sample()

    def _sample(self) -> None:
        for pid, role in self._found().items():
            with contextlib.suppress(OSError):
                started, cpu_s = times(pid)
                key = pid, started
                if key in self._ended:
                    continue
                self._roles[key], self._cpu_s[key] = role, cpu_s
                # A zombie has CPU time, and no memory.
                if (peak_mb := high_water_mb(pid)) is not None:
                    self._peak_mb[key] = max(peak_mb, self._peak_mb.get(key, 0.0))


def times(pid: int) -> tuple[int, float]:
    """When a process started, in ticks since boot, and its CPU time so far in seconds.

    Raises:
      OSError: there is none.
    """
    # The name of the command, in brackets, may hold anything.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[19]), (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def high_water_mb(pid: int | str) -> float | None:
    """Most memory that a process held, in megabytes; None for a zombie.

    Raises:
      OSError: there is none.
    """
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1_000
    return None


def children(pid: int) -> list[int]:
    """Process ids of what a process has started, zombies among them; none if it has ended."""
    try:
        lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    return [int(each) for listed in lists for each in listed.split()]
