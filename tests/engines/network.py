"""Network namespaces on one bridge: machines of their own, as far as TCP goes.

with Network(["manager", "worker"]) as network:
    command = [*network.within("worker"), "hostname", "-I"]
    subprocess.run(command)                      # network.hosts["worker"]
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

_count = itertools.count()


def possible() -> bool:
    """Whether this process may make namespaces: root with `ip`, and not in every container."""
    if os.geteuid() or not shutil.which("ip"):
        return False
    try:
        with Network(["one"]):
            return True
    except subprocess.CalledProcessError:
        return False


class Network:
    """Namespaces by name, that reach each other and this machine; removed at the end.

    Attributes:
      hosts: the address of each.
    """

    def __init__(self, names: Sequence[str]):
        self._names = names
        self._undo = contextlib.ExitStack()
        # At most 15 characters with two more.
        self._id = f"bit{os.getpid()}-{next(_count)}"
        self.hosts: dict[str, str] = {}

    def __enter__(self) -> Network:
        _remove_dead()
        with contextlib.ExitStack() as stack:
            prefix = self._bridge(stack)
            for number, name in enumerate(self._names):
                self.hosts[name] = f"{prefix}.{number + 2}"
                self._namespace(stack, number)
            self._undo = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._undo.close()

    def within(self, name: str) -> list[str]:
        """What a command begins with to run in a namespace; it keeps its process id."""
        return ["ip", "netns", "exec", f"{self._id}-{self._names.index(name)}"]

    def _bridge(self, stack: contextlib.ExitStack) -> str:
        """Makes the bridge, with an address in a /24 that no route of this machine knows."""
        _ip("link", "add", self._id, "type", "bridge")
        stack.callback(_ip, "link", "delete", self._id)
        routes = _ip("route", "show")
        prefix = next(each for each in _prefixes() if f"{each}." not in routes)
        _ip("address", "add", f"{prefix}.1/24", "dev", self._id)
        _ip("link", "set", self._id, "up")
        return prefix

    def _namespace(self, stack: contextlib.ExitStack, number: int) -> None:
        name = f"{self._id}-{number}"
        _ip("netns", "add", name)
        stack.callback(_ip, "netns", "delete", name)
        outside, inside = f"{self._id}o{number}", f"{self._id}i{number}"
        _ip("link", "add", outside, "type", "veth", "peer", "name", inside)
        _ip("link", "set", inside, "netns", name)
        _ip("link", "set", outside, "master", self._id, "up")
        host = self.hosts[self._names[number]]
        _ip("-n", name, "address", "add", f"{host}/24", "dev", inside)
        _ip("-n", name, "link", "set", inside, "up")
        _ip("-n", name, "link", "set", "lo", "up")


def _remove_dead() -> None:
    """Removes what processes that were killed have left."""
    for found in re.finditer(r"^bit(\d+)-\d+-\d+", _ip("netns", "list"), re.MULTILINE):
        if not Path("/proc", found[1]).exists():
            _ip("netns", "delete", found[0])
    for found in re.finditer(r"^\d+: (bit(\d+)-\d+):", _ip("link", "show"), re.MULTILINE):
        if not Path("/proc", found[2]).exists():
            _ip("link", "delete", found[1])


def _prefixes() -> Iterator[str]:
    """10.213.1 to 10.222.254, each process from another one on: several may start at once."""
    every = [f"10.{a}.{b}" for a, b in itertools.product(range(213, 223), range(1, 255))]
    first = os.getpid() % len(every)
    return iter(every[first:] + every[:first])


def _ip(*arguments: str) -> str:
    ran = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True)
    return ran.stdout
