"""File patterns with `*`, `**`, `?` and `[...]`, on a local disk or in an object store.

>>> import tempfile
>>> from pathlib import Path
>>> with tempfile.TemporaryDirectory() as folder:
...     for name in ("b.jpg", "a.jpg"):
...         Path(folder, name).touch()
...     found = matching(f"{folder}/*.jpg", "--images")
>>> [Path(path).name for path in found], fixed_folder("photos/2026/*/*.jpg")
(['a.jpg', 'b.jpg'], 'photos/2026')
"""

from __future__ import annotations

import glob
import itertools
import os
from collections.abc import Collection
from pathlib import PurePosixPath

from components.errors import UserError
from components.storage import as_path, io_errors, is_uri

_WILD = set("*?[")


def is_pattern(text: str) -> bool:
    """Whether it may name several files."""
    return bool(_WILD & set(text))


def fixed_folder(pattern: str) -> str:
    """The folder above all that a pattern can match; "" for the current one."""
    scheme, found, rest = pattern.partition("://") if is_uri(pattern) else ("", "", pattern)
    fixed = list(itertools.takewhile(lambda part: not is_pattern(part), _above(rest)))
    return f"{scheme}{found}{PurePosixPath(*fixed) if fixed else ''}"


def common_folder(folders: Collection[str]) -> str:
    """The nearest folder above all of these, which are all of one kind of storage.

    >>> common_folder({"/data/train", "/data/test"}), common_folder({"gs://b/a/x", "gs://b/a/y"})
    ('/data', 'gs://b/a')
    """
    first = min(folders)
    if not is_uri(first):
        return os.path.commonpath(folders)
    scheme, _, _ = first.partition("://")
    return f"{scheme}://{os.path.commonpath([f.partition('://')[2] for f in folders])}"


def _above(path: str) -> tuple[str, ...]:
    return PurePosixPath(path).parts[:-1]


def matching(pattern: str, key: str) -> tuple[str, ...]:
    """The files that match a pattern, sorted.

    Args:
      pattern: a path or a gs:// URI.
      key: what gave it, for errors.

    Raises:
      UserError: there is none, or they cannot be listed.
    """
    if is_uri(pattern):
        folder = fixed_folder(pattern)
        try:
            below = as_path(folder).glob(pattern.removeprefix(folder).lstrip("/"))
            found = [str(path) for path in below]
        except io_errors() as error:
            raise UserError(f"{key} {pattern}: {error}.") from error
    else:
        named = glob.glob(pattern, recursive=True) or [pattern]
        found = [path for path in named if os.path.lexists(path) and not os.path.isdir(path)]
    if not found:
        raise UserError(f"{key}: no file matches {pattern}.")
    return tuple(sorted(found))
