"""The folder of the classes in what is given as one: a folder around it, an archive, a flat folder.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     for name in ("photos/dataset/owl", "photos/dataset/wren"):
...         Path(folder, name).mkdir(parents=True)
...     root, note = find_root(f"{folder}/photos")
>>> root.name, note
('dataset', '.../photos holds the folder dataset alone: its folders are the classes or splits.')
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from components.commands import bit_tfx
from components.errors import UserError
from components.example_gen.sources.image_files import (
    TABLE_SUFFIXES,
    Entry,
    display,
    is_note,
    list_folder,
)
from components.example_gen.sources.own_splits import role_of
from components.storage import AnyPath, as_path

_KEY = "data.folder"
_ZIPS = (".zip",)
_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_HUGGING_FACE = {"metadata.csv", "metadata.jsonl", "metadata.parquet"}
"""Tables beside images, as its library `datasets` wants them."""
_BETWEEN = re.compile(r"[\[\]+]")
"""In a slice, what is around the names of splits."""


def find_root(folder: str, slices: Collection[str] = ()) -> tuple[AnyPath, str]:
    """The folder whose folders are classes or splits, and a sentence where it is not the given one.

    Args:
      folder: a path or a gs:// URI.
      slices: `data.splits`; a folder that they name is a split.

    Raises:
      UserError: it is an archive or a table, or its images lie flat beside a table.
    """
    root = as_path(folder)
    _check_file(root)
    names = {name for slice_ in slices for name in _BETWEEN.split(slice_)}
    note = ""
    entries = _listed(root)
    while True:
        _check_flat(root, entries)
        alone = _alone(entries)
        if alone is None or alone in names or role_of(alone):
            return root, note
        below = _listed(root / alone)
        if not any(entry.is_folder for entry in below):
            _check_one_class(root, alone, entries)
            return root, note
        note = (
            f"{display(str(root))} holds the folder {display(alone)} alone: its folders are the "
            "classes or splits."
        )
        root, entries = root / alone, below


def _listed(folder: AnyPath) -> list[Entry]:
    return [entry for entry in list_folder(folder) if not entry.is_litter]


def _tables(root: AnyPath, files: Sequence[str]) -> list[str]:
    return [str(root / name) for name in files if name.lower().endswith(TABLE_SUFFIXES)]


def _alone(entries: Sequence[Entry]) -> str | None:
    """The only folder, where nothing else but notes is there."""
    folders = [entry.name for entry in entries if entry.is_folder]
    files = [entry.name for entry in entries if not entry.is_folder and not is_note(entry.name)]
    return folders[0] if len(folders) == 1 and not files else None


def _check_file(root: AnyPath) -> None:
    """Tells what to do with a file in place of a folder."""
    if not isinstance(root, Path) or not root.is_file():
        return
    name = str(root)
    suffix = next((end for end in (*_ZIPS, *_TARS) if name.lower().endswith(end)), "")
    if suffix:
        module = "zipfile" if suffix in _ZIPS else "tarfile"
        target = name[: -len(suffix)]
        command = shlex.join([sys.executable, "-m", module, "-e", name, target])
        raise UserError(
            f"{_KEY} {name} is an archive. Unpack it: {command}; then give the folder {target}."
        )
    if name.lower().endswith(TABLE_SUFFIXES):
        raise UserError(
            f"{_KEY} {name} is a table. Give it as data.table: {bit_tfx('run', '--table', name)}"
        )


def _check_flat(root: AnyPath, entries: Sequence[Entry]) -> None:
    """Offers the table that may have the classes of images that lie in no class folder."""
    files = [entry.name for entry in entries if not entry.is_folder]
    tables = _tables(root, files)
    if any(not is_note(name) for name in files):
        _offer(f"{display(str(root))} holds images in no class folder", tables or _beside(root))
        return
    folders = [entry.name for entry in entries if entry.is_folder]
    for name in folders:
        # Hugging Face's is beside the images of each split.
        if role_of(name) or len(folders) == 1:
            inside = [entry for entry in list_folder(root / name) if not entry.is_folder]
            own = sorted(entry.name for entry in inside if entry.name in _HUGGING_FACE)
            if all(is_note(entry.name) for entry in inside if not entry.is_litter):
                continue
            if own:
                path = root / ("*" if len(folders) > 1 else name) / own[0]
                _offer(f"{display(str(root / name))} holds images and {own[0]}", [str(path)])
            if len(folders) > 1 and all(map(role_of, folders)):
                _offer(f"{display(str(root / name))} holds images in no class folder", tables)


def _check_one_class(root: AnyPath, name: str, entries: Sequence[Entry]) -> None:
    files = [entry.name for entry in entries if not entry.is_folder]
    _offer(f"{display(str(root))} has one class ({display(name)})", _tables(root, files))


def _beside(root: AnyPath) -> list[str]:
    """The tables beside a folder on a disk."""
    if not isinstance(root, Path):
        return []
    found = sorted(Path(os.path.abspath(root)).parent.glob("*"))
    return [str(path) for path in found if path.name.lower().endswith(TABLE_SUFFIXES)]


def _offer(what: str, tables: Sequence[str]) -> None:
    """Raises where there is a table to offer."""
    if tables:
        shown = tables[0]
        more = f" (or one of {len(tables) - 1} more there)" if len(tables) > 1 else ""
        raise UserError(
            f"{_KEY}: {what}. If {shown}{more} has their classes, give it as data.table instead of "
            f"the folder: {bit_tfx('run', '--table', shown)}"
        )
