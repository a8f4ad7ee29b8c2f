"""Whether a run can use its metadata database, a file of SQLite: checked before TFX is loaded.

ML Metadata itself waits for minutes for a file that another process holds, and its error for a
damaged one has neither the path nor a cure.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as output:
    ...     database = Path(output, "metadata.sqlite")
    ...     check_metadata(database, Path(output, "artifacts"))  # The first run makes it.
    ...     _ = database.write_text("no database")
    ...     check_metadata(database, Path(output, "artifacts"))
    Traceback (most recent call last):
    ...
    components.errors.UserError: The metadata database ... is damaged: it is no SQLite file. ...
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sqlite3
import stat
import time
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.errors import UserError

SCHEMA_VERSION = 10
"""The tables of ML Metadata 1.16 to 1.21, which both generations of TFX bring."""

_WAIT_S = 3.0
_CHECK_S = 3.0
_HEADER = b"SQLite format 3\x00"
_TABLES = {
    "Artifact", "ArtifactProperty", "Association", "Attribution", "Context", "ContextProperty",
    "Event", "EventPath", "Execution", "ExecutionProperty", "ParentContext", "ParentType", "Type",
    "TypeProperty",
}  # fmt: skip


def check_metadata(path: Path, artifacts: Path) -> None:
    """Returns where the database can be used, or is still to be made, within some seconds.

    Args:
      path: the database's file, which need not be there.
      artifacts: the folder of what it knows, which need not be there either.

    Raises:
      UserError: it is held by another process, is damaged, or belongs to another version; the
        sentence names the file, the process where it can be seen, and the commands to type.
    """
    if not os.path.lexists(path) and not _holds_something(artifacts):
        return
    cure = _cure(path, artifacts)
    if not os.path.lexists(path):
        raise UserError(
            f"The metadata database {path} is missing, and {artifacts} holds what it knew: new "
            f"runs would write into the folders of old ones. {cure}"
        )
    _check_file(path, cure)
    if path.stat().st_size == 0:
        if _holds_something(artifacts):
            raise UserError(f"The metadata database {path} is empty (0 bytes). {cure}")
        # A run that was killed while it made it; ML Metadata makes the tables.
        return
    try:
        _check_content(path, cure)
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise UserError(_held(path)) from error
        raise UserError(f"The metadata database {path} cannot be used: {error}. {cure}") from error
    except sqlite3.DatabaseError as error:
        raise UserError(f"The metadata database {path} is damaged: {error}. {cure}") from error


def connection_of(path: str | Path) -> Any:
    """ML Metadata's ConnectionConfig of a database file, which is made where it is missing."""
    from ml_metadata.proto import metadata_store_pb2

    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = str(path)
    connection.sqlite.connection_mode = connection.sqlite.READWRITE_OPENCREATE
    return connection


def _holds_something(artifacts: Path) -> bool:
    try:
        return any(artifacts.iterdir())
    except OSError:
        return False


def _check_file(path: Path, cure: str) -> None:
    """Whether it is a file that can be written and looks like a database."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "no file"
            raise UserError(f"The metadata database {path} is {what}. {cure}")
        with path.open("r+b") as stream:
            header = stream.read(len(_HEADER))
    except OSError as error:
        raise UserError(
            f"The metadata database {path} cannot be read and written: {error.strerror}. Give this "
            f"user the right to: chmod u+rw {shlex.quote(str(path))} (or chown), and mount the "
            "file system for writing."
        ) from error
    if header and header != _HEADER:
        raise UserError(f"The metadata database {path} is damaged: it is no SQLite file. {cure}")


def _check_content(path: Path, cure: str) -> None:
    uri = f"file:{urllib.parse.quote(str(path.resolve()))}?mode=rw"
    with contextlib.closing(sqlite3.connect(uri, timeout=_WAIT_S, uri=True)) as database:
        database.isolation_level = None
        # What a commit needs: a program that only reads, and does not end, holds it up as well.
        database.execute("BEGIN EXCLUSIVE")
        deadline = time.monotonic() + _CHECK_S
        database.set_progress_handler(lambda: time.monotonic() > deadline, 100_000)
        try:
            (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise
            # A large one: what was checked so far is fine.
            found = "ok"
        database.set_progress_handler(None, 0)
        if found != "ok":
            raise UserError(
                f"The metadata database {path} is damaged: {' '.join(found.split())}. {cure}"
            )
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        if not tables:
            return
        if missing := sorted(_TABLES - tables):
            raise UserError(
                f"The metadata database {path} is not ML Metadata's, or damaged: it has no table "
                f"{missing[0]}. {cure}"
            )
        versions = []
        if "MLMDEnv" in tables:
            versions = database.execute("SELECT schema_version FROM MLMDEnv").fetchall()
        _check_version(path, [version for (version,) in versions], cure)


def _check_version(path: Path, versions: Sequence[object], cure: str) -> None:
    if list(versions) == [SCHEMA_VERSION]:
        return
    if len(versions) != 1 or not isinstance(versions[0], int):
        raise UserError(f"The metadata database {path} is damaged: it has no version. {cure}")
    age = "a newer" if versions[0] > SCHEMA_VERSION else "an older"
    raise UserError(
        f"The metadata database {path} was made by {age} ML Metadata: its tables are version "
        f"{versions[0]}, and this one uses {SCHEMA_VERSION}. Run with the environment that made "
        f"it. Or: {cure}"
    )


def _cure(path: Path, artifacts: Path) -> str:
    """What to type for a database that can no longer be used."""
    # On a cluster the file is where the configuration says, which may be a volume's top.
    own = path.parent if path.parent.name == "metadata" else path
    aside = own.parent / f"damaged-{time.strftime('%Y%m%d-%H%M%S')}"
    moved = [each for each in (own, artifacts) if os.path.lexists(each)]
    command = shlex.join(["mv", *map(str, moved), str(aside)])
    return (
        "Restore it from a backup, or move it away with the artifacts that it knows, and run "
        "again: the next run starts without cache and lineage, and served models stay. Type: "
        f"mkdir {shlex.quote(str(aside))} && {command}"
    )


def _held(path: Path) -> str:
    found = holders(path)
    what = "a run that hangs, a database browser, or a program within a transaction"
    if not found:
        return (
            f"The metadata database {path} is held by another process: {what}. It cannot be seen "
            "from here (another user, container or machine); as root, this shows it there: "
            f"fuser -v {shlex.quote(str(path))} . End it, and run again."
        )
    named = ", ".join(f"{pid} ({command})" for pid, command in found.items())
    return (
        f"The metadata database {path} is held by process {named}: {what}. Close the database "
        f"there, or end it: kill {' '.join(map(str, found))} ; then run again."
    )


def holders(path: Path) -> dict[int, str]:
    """Other processes that hold a lock on a file, else those that have it open: command by pid."""
    own, file = os.getpid(), path.stat()
    pids = _lockers(file) - {own, 0}
    if not pids:
        folders = (name for name in os.listdir("/proc") if name.isdecimal())
        pids = {int(name) for name in folders if int(name) != own and _has_open(name, file)}
    return {pid: _command(pid) for pid in sorted(pids)}


def _lockers(file: os.stat_result) -> set[int]:
    found = set()
    with contextlib.suppress(OSError):
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            # 1: POSIX  ADVISORY  WRITE 16043 fe:00:9978025 1073741824 1073742335
            fields = line.split()
            if len(fields) < 6 or fields[1] == "->":
                continue
            pid, (major, minor, inode) = fields[4], fields[5].split(":")
            same_device = os.makedev(int(major, 16), int(minor, 16)) == file.st_dev
            # Overlays and btrfs number their devices otherwise than `stat`.
            if int(inode) == file.st_ino and (same_device or _has_open(pid, file)):
                found.add(int(pid))
    return found


def _has_open(pid: str, file: os.stat_result) -> bool:
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found = entry.stat()
                if (found.st_dev, found.st_ino) == (file.st_dev, file.st_ino):
                    return True
    return False


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
        if words := text.replace("\0", " ").split():
            shown = " ".join(words)
            return shown if len(shown) <= 100 else f"{shown[:97]}..."
    return "of another user"
