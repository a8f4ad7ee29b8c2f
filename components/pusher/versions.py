"""The serving folder: numbered versions, as TensorFlow Serving reads them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from components.digests import digest_of_folder
from components.storage import SAVED_MODEL, AnyPath, copy_tree, is_local, remove_tree

_UNFINISHED = ".unfinished-"


def versions(serving: AnyPath) -> list[int]:
    """Numbers of the versions in `serving`, rising.

    In an object store a number without saved_model.pb is no version, but an unfinished push.
    """
    numbers = _numbers(serving)
    if is_local(serving):
        return numbers
    return [number for number in numbers if (serving / str(number) / SAVED_MODEL).exists()]


def _numbers(serving: AnyPath) -> list[int]:
    if not serving.is_dir():
        return []
    return sorted(int(path.name) for path in serving.iterdir() if path.name.isdecimal())


def served(serving: AnyPath) -> AnyPath | None:
    """The version that a server takes: the highest number."""
    numbers = versions(serving)
    return serving / str(numbers[-1]) if numbers else None


def served_digest(serving: AnyPath) -> str:
    """Digest of the served version's files; empty where there is none."""
    current = served(serving)
    return digest_of_folder(current) if current else ""


def add_version(model: AnyPath, serving: AnyPath, now: int) -> AnyPath:
    """Copies a SavedModel into `serving` as a new highest version.

    A server never loads half of it, and what an interrupted copy left is removed.

    Args:
      model: the SavedModel's folder.
      serving: the folder of versions; made where it is missing.
      now: seconds since 1970; the number, unless a higher one is there.

    Returns:
      The new version's folder.
    """
    serving.mkdir(parents=True, exist_ok=True)
    numbers = _numbers(serving)
    number = max([now, *(version + 1 for version in numbers)])
    if isinstance(serving, Path):
        return _rename_into_place(model, serving, number)
    for unfinished in set(numbers) - set(versions(serving)):
        remove_tree(serving / str(unfinished))
    target = serving / str(number)
    # A store cannot rename a folder. Its saved_model.pb is written last: a server that sees the
    # number before fails to load it, goes on with the version that it has, and tries again.
    copy_tree(model, target)
    return target


def _rename_into_place(model: AnyPath, serving: Path, number: int) -> Path:
    """The folder gets its number by a rename, when it is whole."""
    for left_over in serving.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(left_over)
    unfinished = serving / f"{_UNFINISHED}{number}"
    copy_tree(model, unfinished)
    target = serving / str(number)
    os.rename(unfinished, target)
    return target
