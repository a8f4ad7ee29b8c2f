"""What is written stays written, and what is not yet whole has no name.

A rename can reach the disk before the content of the file that it names. `sync` before it, and
`sync` of the folder after it, keep the two in order, even through a power cut.

Files and folders on the way to their names are locked for as long as their writer lives (the kernel
unlocks them, even after kill -9), and say on which machine, and since which boot. So the next
writer knows at once what is dead, and never touches what another still fills; on another machine,
where no lock can be trusted, after a day.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     target = Path(name, "model")
    ...     with unfinished_folder(target.parent, ".model-") as folder:
    ...         _ = (folder / "weights").write_text("1 2 3")
    ...         sync_tree(folder)
    ...         rename(folder, target)
    ...     [path.name for path in target.parent.iterdir()]
    ['model']
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import hashlib
import logging
import os
import re
import shutil
import socket
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

_logger = logging.getLogger(__name__)

STALE_S = 24 * 3600
"""Age in seconds at which the leftover of an unknown writer is removed."""

_MARK = re.compile(r"([0-9a-f]{8})-([0-9a-f]{8})-[0-9a-f]{8}")

_NO_SYNC_OF_FOLDERS = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EPERM)
"""Some network and FUSE file systems refuse it, as does a folder that may not be listed."""


def sync(path: Path) -> None:
    """Returns when a file's content, or a folder's list of names, is on the disk.

    Raises:
      OSError: the disk does not take it; what was written may be lost.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC_OF_FOLDERS or not path.is_dir():
            raise


def sync_tree(folder: Path) -> None:
    """`sync` for every file below a folder, then for the folders, itself last."""
    for root, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(root, name)
            if stat.S_ISREG(path.lstat().st_mode):
                sync(path)
        sync(Path(root))


def rename(unfinished: Path, target: Path) -> None:
    """Gives a file or folder its name, for good; its content must be on the disk already.

    Raises:
      OSError: it cannot be renamed; or it was, and the disk does not take the new name.
    """
    # For a folder it fails where the target is a folder with files.
    os.replace(unfinished, target)
    sync(target.parent)


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it where they are missing, for good."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


@contextlib.contextmanager
def locked(descriptor: int) -> Iterator[None]:
    """Waits for the lock of an open file or folder, holds it, and closes the file.

    The kernel unlocks what a killed process held. A file system without locks keeps nobody out.
    """
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def unfinished_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A folder to fill and rename; dead ones with the same prefix are removed.

    Args:
      parent: where it is made, on the file system of what it becomes; made where it is missing.
      prefix: of its name.

    Yields:
      The folder; it is removed at the end, unless it was renamed.
    """
    make_folder(parent)
    remove_dead(parent, prefix)
    folder, lock = _claim(lambda mark: parent / f"{prefix}{mark}", _make_folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextlib.contextmanager
def unfinished_file(target: Path) -> Iterator[tuple[Path, int]]:
    """A file to fill and rename to `target`; dead ones of the same target are removed.

    Yields:
      Its path and its descriptor, open for writing; removed at the end, unless it was renamed.
    """
    prefix = f".{target.name}."
    remove_dead(target.parent, prefix, _SUFFIX)
    path, lock = _claim(lambda mark: target.with_name(f"{prefix}{mark}{_SUFFIX}"), _make_file)
    try:
        yield path, lock
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


_SUFFIX = ".unfinished"


def remove_dead(folder: Path, prefix: str, suffix: str = "") -> None:
    """Removes what dead writers left in a folder, by the beginning and the end of its name."""
    try:
        left = [p for p in folder.iterdir() if p.name.startswith(prefix)]
    except OSError:
        return
    for path in left:
        if path.name.endswith(suffix):
            try:
                _remove_if_dead(path)
            except OSError as error:
                _logger.warning("%s, left by a writer that died, stays: %s", path, error)


def remove_dead_files(folder: Path) -> None:
    """Removes every `unfinished_file` in a folder whose writer is dead."""
    remove_dead(folder, ".", _SUFFIX)


def _remove_if_dead(path: Path) -> None:
    mark = _MARK.search(path.name)
    here = mark is not None and mark[1] == _machine()
    if mark and here and mark[2] == _boot():
        # Held while it is removed: its writer may be between making and locking it.
        with contextlib.suppress(FileNotFoundError):
            lock = _open(path)
            try:
                if _locked(lock) and _is_at(path, lock):
                    _remove(path)
            finally:
                os.close(lock)
    elif here or path.lstat().st_mtime < time.time() - STALE_S:
        _remove(path)


def _remove(path: Path) -> None:
    _logger.info("removing %s, which a writer that died has left", path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _claim(name: Callable[[str], Path], make: Callable[[Path], int]) -> tuple[Path, int]:
    """Makes a path of a name of its own, and locks it; returns it with its descriptor."""
    while True:
        path = name(f"{_machine()}-{_boot()}-{uuid.uuid4().hex[:8]}")
        lock = make(path)
        with contextlib.suppress(OSError):
            # On a file system without locks, its age alone shows that it is dead.
            fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_at(path, lock):
            return path, lock
        # Another writer took it for dead before it was locked.
        os.close(lock)


def _make_folder(path: Path) -> int:
    path.mkdir()
    return os.open(path, os.O_RDONLY)


def _make_file(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)


def _open(path: Path) -> int:
    # Over NFS a lock on a file is taken only where it is open for writing.
    return os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)


def _locked(descriptor: int) -> bool:
    """Takes the lock, if nobody has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        there, open_one = path.lstat(), os.fstat(descriptor)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (open_one.st_dev, open_one.st_ino)


@functools.cache
def _machine() -> str:
    """Eight digits for this machine or container: pods of one image differ in their host name."""
    return _digits(socket.gethostname() + _read("/etc/machine-id"))


@functools.cache
def _boot() -> str:
    return _digits(_read("/proc/sys/kernel/random/boot_id"))


def _digits(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""
