"""The serving folder: numbered versions, as TensorFlow Serving reads them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from components.digests import digest_of_folder

_UNFINISHED = ".unfinished-"


def versions(serving: Path) -> list[int]:
    """Numbers of the versions in `serving`, rising."""
    if not serving.is_dir():
        return []
    return sorted(int(path.name) for path in serving.iterdir() if path.name.isdecimal())


def served(serving: Path) -> Path | None:
    """The version that a server takes: the highest number."""
    numbers = versions(serving)
    return serving / str(numbers[-1]) if numbers else None


def served_digest(serving: Path) -> str:
    """Digest of the served version's files; empty where there is none."""
    current = served(serving)
    return digest_of_folder(current) if current else ""


def add_version(model: Path, serving: Path, now: int) -> Path:
    """Copies a SavedModel into `serving` as a new highest version.

    The folder gets its number by a rename, so that a server never sees half of it; what an
    interrupted copy left is removed.

    Args:
      model: the SavedModel's folder.
      serving: the folder of versions; made where it is missing.
      now: seconds since 1970; the number, unless a higher one is there.

    Returns:
      The new version's folder.
    """
    serving.mkdir(parents=True, exist_ok=True)
    for left_over in serving.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(left_over)
    number = max([now, *(version + 1 for version in versions(serving))])
    unfinished = serving / f"{_UNFINISHED}{number}"
    shutil.copytree(model, unfinished)
    target = serving / str(number)
    os.rename(unfinished, target)
    return target
