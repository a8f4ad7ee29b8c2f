"""What is written stays written: on the disk before a name leads to it, even through a power cut.

A rename can reach the disk before the content of the file that it names. `sync` before it, and
`sync` of the folder after it, keep the two in order.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

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
