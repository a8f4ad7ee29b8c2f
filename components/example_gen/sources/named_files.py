"""Sizes and times of files that are named one by one, on a disk or in an object store.

>>> import tempfile
>>> from pathlib import Path
>>> with tempfile.TemporaryDirectory() as folder:
...     _ = Path(folder, "a.jpg").write_bytes(b"...")
...     found = stat_files(folder, ["a.jpg", "b.jpg"], "data.table")
>>> found["a.jpg"][0], found["b.jpg"]
(3, None)
"""

from __future__ import annotations

import functools
import itertools
import os
import posixpath
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from components.errors import UserError
from components.example_gen.sources.image_files import list_folder
from components.storage import as_path, is_uri

_REQUESTS = 32
"""Concurrent listings of folders in an object store."""


def stat_files(root: str, names: Sequence[str], key: str) -> dict[str, tuple[int, int] | None]:
    """Size in bytes and modification time of each regular file; None of one that is not there.

    Args:
      root: that relative names start from, a path or a gs:// URI.
      names: relative, absolute, or URIs.
      key: what gave them, for errors.
    """
    remote = [name for name in names if is_uri(name) or (is_uri(root) and not name.startswith("/"))]
    found: dict[str, tuple[int, int] | None] = {}
    if remote:
        whole = {name: name if is_uri(name) else f"{root}/{name}" for name in remote}
        folders = sorted({posixpath.dirname(path) for path in whole.values()})
        with ThreadPoolExecutor(_REQUESTS) as pool:
            listed = dict(
                itertools.chain.from_iterable(
                    pool.map(functools.partial(_listed, key=key), folders)
                )
            )
        found = {name: listed.get(path) for name, path in whole.items()}
    for name in names:
        if name not in found:
            found[name] = _local_stat(name if name.startswith("/") else f"{root}/{name}")
    return found


def _listed(folder: str, key: str) -> list[tuple[str, tuple[int, int]]]:
    try:
        entries = list_folder(as_path(folder), key)
    except UserError:  # Whoever named its files says so.
        return []
    return [
        (f"{folder}/{entry.name}", (entry.size_bytes, entry.changed))
        for entry in entries
        if not entry.is_folder
    ]


def _local_stat(path: str) -> tuple[int, int] | None:
    try:
        there = os.stat(path)
    except (OSError, ValueError):
        return None
    return (there.st_size, there.st_mtime_ns) if stat.S_ISREG(there.st_mode) else None
