"""Files on a local disk or in an object store (gs://), by one kind of path.

A local path is a plain pathlib.Path. A URI is an etils.epath.Path, which has the same methods and
goes through tf.io.gfile; TensorFlow is loaded when the first of them is called, never before.

    >>> as_path("runs/digits").name, is_local(as_path("runs/digits"))
    ('digits', True)
    >>> str(split_folder("/out/artifacts/ImageExampleGen/examples/1", "train"))
    '/out/artifacts/ImageExampleGen/examples/1/Split-train'
    >>> as_path("s3://bucket/runs")
    Traceback (most recent call last):
    ...
    components.errors.UserError: s3://bucket/runs: give a local path or a gs:// URI; ...
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from components.durable import make_folder, rename, unfinished_file
from components.errors import UserError

if TYPE_CHECKING:
    from etils import epath

SCHEMES = ("gs://",)
"""Stores that both generations of TensorFlow reach by themselves."""

SAVED_MODEL = "saved_model.pb"
"""The file of a SavedModel that whoever loads it opens first."""

_CHUNK_BYTES = 1 << 20
_SPLIT = "Split-"

AnyPath: TypeAlias = "Path | epath.Path"


def is_uri(text: str) -> bool:
    """Whether it names something in an object store that we can reach."""
    return text.startswith(SCHEMES)


def as_path(path: str | os.PathLike[str]) -> AnyPath:
    """A path of either kind; `str()` and `os.fspath()` of a URI give the URI again.

    Raises:
      UserError: a URI of another scheme.
    """
    text = os.fspath(path)
    if "://" not in text:
        return Path(text)
    if not is_uri(text):
        raise UserError(f"{text}: give a local path or a {SCHEMES[0]} URI; nothing else is read.")
    from etils import epath

    return epath.Path(text)


def is_local(path: AnyPath) -> bool:
    """Whether it is on this machine's file systems, where a folder can be renamed at once."""
    return isinstance(path, Path)


def io_errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """What a read or a write can raise, and `others`; TensorFlow's own errors are no OSErrors."""
    # Nothing raises them before TensorFlow is loaded, and this must not load it.
    tf = sys.modules.get("tensorflow")
    return (OSError, *others) if tf is None else (OSError, tf.errors.OpError, *others)


def split_folder(uri: str, split: str) -> AnyPath:
    """The folder of a split in an artifact, by TFX's rule."""
    return as_path(uri) / f"{_SPLIT}{split}"


def splits_in(uri: str) -> list[str]:
    """The splits that have a folder in an artifact, sorted; [] where there is no artifact."""
    folder = as_path(uri)
    names = (path.name for path in folder.iterdir()) if folder.exists() else ()
    return sorted(name.removeprefix(_SPLIT) for name in names if name.startswith(_SPLIT))


def files_below(folder: AnyPath) -> list[str]:
    """Relative names of all files below a folder, with slashes, sorted."""
    if isinstance(folder, Path):
        return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return sorted(
        (root / name).relative_to(folder).as_posix()
        for root, _, names in folder.walk()
        for name in names
    )


def changed_at(path: AnyPath) -> float:
    """When a file was written, in seconds since 1970."""
    found = path.stat()
    return found.st_mtime if isinstance(found, os.stat_result) else float(found.mtime)


def copy_tree(source: AnyPath, target: AnyPath) -> None:
    """Copies a folder's files into `target`, which may be there, on either kind of storage.

    In an object store every copy is compared with its source, and `saved_model.pb` comes last:
    where it is, the SavedModel is whole.

    Raises:
      RuntimeError: what an object store has is not what was copied.
    """
    if isinstance(source, Path) and isinstance(target, Path):
        shutil.copytree(source, target, dirs_exist_ok=True)
        return
    from etils import epath

    for name in sorted(files_below(source), key=lambda name: (name == SAVED_MODEL, name)):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        epath.Path(source / name).copy(target / name, overwrite=True)
        if not _same(source / name, target / name):
            # Without it there is no SavedModel.
            (target / name).unlink()
            raise RuntimeError(f"{target / name} is not a whole copy of {source / name}")


@contextlib.contextmanager
def on_disk(folder: AnyPath) -> Iterator[Path]:
    """The folder itself, or in place of one in an object store a copy of its name, for a while."""
    if isinstance(folder, Path):
        yield folder
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, folder.name)
        copy_tree(folder, copy)
        yield copy


def _same(one: AnyPath, other: AnyPath) -> bool:
    with one.open("rb") as ours, other.open("rb") as theirs:
        while True:
            chunk = ours.read(_CHUNK_BYTES)
            if chunk != theirs.read(_CHUNK_BYTES):
                return False
            if not chunk:
                return True


def remove_tree(folder: AnyPath) -> None:
    """Removes a folder and all that is in it."""
    if isinstance(folder, Path):
        shutil.rmtree(folder)
    else:
        folder.rmtree()


def write_whole(path: AnyPath, text: str) -> None:
    """Writes a file so that a reader sees the old one or the new one, never half of one.

    On a local disk the new one also survives a power cut once this has returned.
    """
    if not isinstance(path, Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # An object appears when its upload ends, whole.
        path.write_text(text, encoding="utf-8")
        return
    make_folder(path.parent)
    with unfinished_file(path) as (unfinished, descriptor):
        with open(descriptor, "w", encoding="utf-8", closefd=False) as stream:
            stream.write(text)
        os.fsync(descriptor)
        rename(unfinished, path)


def try_writing(folder: AnyPath) -> None:
    """Makes a file in a folder, or in the nearest folder above that is there, and removes it.

    Raises:
      OSError, or TensorFlow's errors (`io_errors`): nothing can be written there.
    """
    name = f".{uuid.uuid4().hex}.probe"
    if not isinstance(folder, Path):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("", encoding="utf-8")
        (folder / name).unlink()
        return
    while not os.path.lexists(folder):
        folder = folder.parent
    os.close(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    (folder / name).unlink()
