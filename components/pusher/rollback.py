"""Which version serves, changed by hand: rolled back, pinned, and the oldest removed.

A server takes the highest version in the folder. A rollback moves those above the wanted one out of
its sight, each by one rename, the highest first: whenever it is killed, a whole version serves.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as name:
...     serving = Path(name)
...     for version in ("1", "2", "3"):
...         (serving / version).mkdir()
...     roll_back(serving), versions(serving), withdrawn(serving)
...     roll_back(serving, 3), versions(serving), withdrawn(serving)
(Change(before=3, after=2), [1, 2], [3])
(Change(before=2, after=3), [1, 2, 3], [])
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from components.commands import bit_tfx
from components.durable import locked, make_folder, rename, unfinished_folder
from components.errors import UserError
from components.finite import read_json, write_json
from components.pusher.versions import (
    UNFINISHED,
    WITHDRAWN,
    model_digest,
    numbers_in,
    served_digest,
    versions,
)
from components.storage import SAVED_MODEL, AnyPath, copy_tree, remove_tree

_PIN = ".pin.json"


@dataclass(frozen=True)
class Change:
    """Which version served, and which does now."""

    before: int
    after: int


@dataclass(frozen=True)
class Pin:
    """That one version serves until somebody says otherwise.

    Attributes:
      version: its number.
      by: who pinned it.
      at: when, in UTC as ISO 8601.
    """

    version: int
    by: str
    at: str


@contextlib.contextmanager
def changing(serving: AnyPath) -> Iterator[None]:
    """Waits for others that change the folder on this machine, and keeps them out.

    In an object store there is no lock.
    """
    if not isinstance(serving, Path):
        yield
        return
    make_folder(serving.parent)
    # Beside the folder: in it there are versions alone.
    lock = os.open(serving.with_name(f".{serving.name}.lock"), os.O_RDWR | os.O_CREAT, 0o666)
    with locked(lock):
        yield


def withdrawn(serving: AnyPath) -> list[int]:
    """Numbers of the versions that were rolled back, rising."""
    return numbers_in(serving / WITHDRAWN)


def roll_back(serving: AnyPath, version: int | None = None) -> Change:
    """Makes a version the one that serves: those above it are withdrawn, it is put back if it was.

    Args:
      serving: the folder of versions.
      version: its number; None takes the one below that which serves.

    Returns:
      What served and what does.

    Raises:
      UserError: there is no such version, or none below.
    """
    with changing(serving):
        there, away = versions(serving), withdrawn(serving)
        if not there:
            raise UserError(f"{serving} holds no version.")
        if version is None:
            if len(there) < 2:
                raise UserError(
                    f"{serving} holds version {there[-1]} alone: there is none to go back to."
                )
            version = there[-2]
        if version not in there and version not in away:
            known = ", ".join(map(str, sorted({*there, *away})))
            raise UserError(f"{serving} holds no version {version}; there are {known}.")
        if version in away:
            _move(serving, version, back=True)
        for above in reversed(there):
            if above > version:
                _move(serving, above, back=False)
        return Change(there[-1], versions(serving)[-1])


def pin_of(serving: AnyPath) -> Pin | None:
    """The pin, where there is one."""
    path = serving / _PIN
    return Pin(**read_json(path)) if path.exists() else None


def pin(serving: AnyPath, version: int, by: str, at: str) -> Change:
    """Makes a version serve, and no push replace it until `unpin`.

    Raises:
      UserError: there is no such version.
    """
    change = roll_back(serving, version)
    with changing(serving):
        write_json(serving / _PIN, asdict(Pin(version, by, at)))
    return change


def unpin(serving: AnyPath) -> Pin | None:
    """Lets pushes replace what serves again; returns the pin that there was."""
    with changing(serving):
        found = pin_of(serving)
        if found:
            (serving / _PIN).unlink()
    return found


def serving_state(serving: AnyPath) -> str:
    """What decides whether a model would be pushed: the served model, the pin, what was withdrawn.

    The same text as long as nothing of it has changed; empty where there is no version.
    """
    pinned = pin_of(serving)
    parts = [served_digest(serving), *(["pinned"] if pinned else []), *withdrawn(serving)]
    return " ".join(map(str, parts))


def why_not(serving: AnyPath, digest: str) -> str:
    """Why a model is not pushed, in a sentence; empty if nothing keeps it out.

    Args:
      serving: the folder of versions.
      digest: `model_digest` of the model.
    """
    pinned = pin_of(serving)
    if pinned:
        return (
            f"{serving} is pinned to version {pinned.version} (by {pinned.by}, {pinned.at}); type "
            f"`{bit_tfx('pin', '--off', '--serving', str(serving))}` to let pushes replace it"
        )
    for version in withdrawn(serving):
        if model_digest(serving / WITHDRAWN / str(version)) == digest:
            command = bit_tfx("rollback", str(version), "--serving", str(serving))
            return (
                f"this model was rolled back as version {version} of {serving}; type `{command}` "
                "to serve it again"
            )
    return ""


def keep_last(serving: AnyPath, count: int) -> list[int]:
    """Removes the oldest versions, withdrawn ones too; returns their numbers.

    What serves stays, whatever its number.

    Args:
      serving: the folder of versions.
      count: how many stay, at least 1.
    """
    with changing(serving):
        there, away = versions(serving), withdrawn(serving)
        oldest_first = sorted({*there, *away})
        gone = [each for each in oldest_first[: -max(count, 1)] if not there or each != there[-1]]
        for version in gone:
            folder = serving if version in there else serving / WITHDRAWN
            _remove(serving, folder / str(version))
        return gone


def _move(serving: AnyPath, version: int, back: bool) -> None:
    """Out of a server's sight, or back into it."""
    here, there = serving / str(version), serving / WITHDRAWN / str(version)
    source, target = (there, here) if back else (here, there)
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(source, Path) and isinstance(target, Path):
        rename(source, target)
        return
    # A store cannot rename a folder: a server sees a version while its saved_model.pb is there.
    copy_tree(source, target)
    _remove(serving, source)


def _remove(serving: AnyPath, version: AnyPath) -> None:
    if isinstance(serving, Path) and isinstance(version, Path):
        # Gone at once for every reader, and then from the disk.
        with unfinished_folder(serving, UNFINISHED) as bin_:
            rename(version, bin_ / version.name)
        return
    (version / SAVED_MODEL).unlink()
    remove_tree(version)
