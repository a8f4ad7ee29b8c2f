"""What a Beam worker is asked about itself before the first step, and what speaks against it.

>>> here = Facts("laptop", "3.10.14", {"tfx": "1.16.0"}, {"components.drafts": "9c1b"})
>>> there = Facts("node-7", "3.10.14", {"tfx": "1.21.0"}, {"components.drafts": "9c1b"})
>>> objection(here, [here, there])
'a worker on node-7 has tfx 1.21.0, and the steps have 1.16.0. Use one image, or ...'
>>> objection(here, [here])
''
"""

from __future__ import annotations

import platform
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from components.storage import as_path, io_errors
from pipeline.inputs.code import LIBRARIES, beam_modules

_NO_USE = ("optuna", "vl-convert-python")
"""Libraries that no Beam step uses."""

_NAMED = 3

CURE_CODE = (
    "set beam.setup_file to auto, which sends this project, where the workers install what Beam "
    "sends; else give them the same version"
)


@dataclass(frozen=True)
class Facts:
    """A Python process and its machine.

    Attributes:
      host: name of the machine or container.
      python: `3.10.14`.
      libraries: version by name; "" where it is not installed.
      code: digest by module of the Beam steps.
      unread: why a file or folder of the data cannot be read, by its path.
    """

    host: str
    python: str
    libraries: dict[str, str]
    code: dict[str, str]
    unread: dict[str, str] = field(default_factory=dict)

    @classmethod
    def here(cls, paths: Iterable[str]) -> Facts:
        """Those of this process.

        Args:
          paths: of data to read, files or folders.
        """
        return cls(
            host=socket.gethostname(),
            python=platform.python_version(),
            libraries={name: _installed(name) for name in LIBRARIES if name not in _NO_USE},
            code=beam_modules(),
            unread={path: why for path in paths if (why := _unread(path))},
        )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Facts:
        """From `asdict`, after JSON."""
        return cls(**value)


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _unread(path: str) -> str:
    """Why a path cannot be read; "" where it can."""
    try:
        found = as_path(path)
        if found.is_dir():
            next(iter(found.iterdir()), None)
        else:
            with found.open("rb") as stream:
                stream.read(1)
    except io_errors() as error:
        return str(getattr(error, "strerror", None) or error)
    return ""


def objection(here: Facts, workers: Iterable[Facts]) -> str:
    """What is wrong with the first worker with which something is, and what to do; else ""."""
    for worker in workers:
        if wrong := _wrong(here, worker):
            return f"a worker on {worker.host} {wrong}"
    return ""


def _wrong(here: Facts, worker: Facts) -> str:
    for path, why in worker.unread.items():
        return (
            f"cannot read {path} ({why}). The data must be at the same path on every worker: in an "
            "object store, or on a disk that they share."
        )
    if worker.python.rpartition(".")[0] != here.python.rpartition(".")[0]:
        return f"has Python {worker.python}, and the steps have {here.python}. {_SAME}"
    others = [
        f"{name} {_version(worker.libraries.get(name))}, and the steps have {version}"
        for name, version in here.libraries.items()
        if worker.libraries.get(name) != version
    ]
    if others:
        return f"has {_some(others, '; ')}. {_SAME}"
    changed = sorted(
        module
        for module in here.code.keys() | worker.code.keys()
        if here.code.get(module) != worker.code.get(module)
    )
    if changed:
        differ = "differs" if len(changed) == 1 else "differ"
        return f"has another version of this project: {_some(changed)} {differ}: {CURE_CODE}."
    return ""


_SAME = (
    "Use one image, or one lock (uv.lock), for the steps and for the workers: what Beam sends is "
    "pickled."
)


def _version(version: str | None) -> str:
    return version or "missing"


def _some(items: list[str], joint: str = ", ") -> str:
    more = f" and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return joint.join(items[:_NAMED]) + more
