"""What reaches the disk, and in which order; and the n-th step to it that fails."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_STEPS = (
    (os, "fsync"),
    (os, "replace"),
    (os, "rename"),
    (os, "mkdir"),
    (os, "open"),
    (os, "sendfile"),
    (Path, "mkdir"),
    (Path, "open"),
)
"""Calls that a full or broken disk can refuse; all of them are made for real too."""


@contextmanager
def recorded() -> Iterator[list[tuple[str, Path]]]:
    """Every fsync, rename and removal as (call, path), in their order."""
    calls: list[tuple[str, Path]] = []
    with pytest.MonkeyPatch.context() as patch:

        def record(name, path_of):
            real = getattr(os, name)

            def call(*args, **more):
                calls.append((name, Path(path_of(*args))))
                return real(*args, **more)

            patch.setattr(os, name, call)

        record("fsync", lambda descriptor: os.readlink(f"/proc/self/fd/{descriptor}"))
        for name in ("replace", "rename"):
            record(name, lambda source, target, **_: target)
        real_unlink = Path.unlink

        def unlink(self, missing_ok=False):
            if self.exists():
                calls.append(("unlink", self))
            real_unlink(self, missing_ok)

        patch.setattr(Path, "unlink", unlink)
        yield calls


@contextmanager
def failing_at(number: int) -> Iterator[list[str]]:
    """The `number`-th step to the disk fails as on a full one; yields the steps so far."""
    steps: list[str] = []
    with pytest.MonkeyPatch.context() as patch:

        def count(where, name):
            real = getattr(where, name)

            def call(*args, **more):
                steps.append(name)
                if len(steps) == number:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return real(*args, **more)

            patch.setattr(where, name, call)

        for where, name in _STEPS:
            count(where, name)
        yield steps


def fails_at(number: int, do: Callable[[], object]) -> str:
    """What the caller hears when the `number`-th step fails; "" where there are fewer steps."""
    with failing_at(number) as steps:
        try:
            do()
        except OSError as error:
            return str(error)
    return "" if len(steps) < number else "nothing: it does without"
