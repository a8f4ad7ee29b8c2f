"""The images below a folder: `<folder>/<class>/*`, or `<folder>/<split>/<class>/*`.

Which of the two it is, is told by where the files are. A folder is listed, no file is opened.
"""

from __future__ import annotations

import hashlib
import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from components.errors import UserError
from components.example_gen.sources.own_splits import role_of
from components.storage import AnyPath, io_errors

FLAT_SPLIT = "train"
"""The one split of a folder whose folders are classes."""

_LITTER = {
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "$recycle.bin"),
    *("system volume information", "lost+found"),
}
"""What systems leave in folders, beside what is hidden by a dot."""

_NOTES = {".cff", ".csv", ".htm", ".html", ".json", ".md", ".pdf", ".rst", ".tsv", ".txt", ".xml"}
_NOTES |= {".yaml", ".yml"}
_NOTES_NAMED = {"license", "licence", "readme", "checksums", "notice"}
"""A file above the class folders that is no image."""

_SHOWN = 3
"""Names of what is not read, at most."""

_REQUESTS = 32
"""At a time, to an object store: each file is asked for its size."""


class ImageFile(NamedTuple):
    """A file in a class folder.

    Attributes:
      name: below the folder, with slashes; bytes that are no UTF-8 as os.fsdecode gives them.
      label: its class.
      size_bytes: its length; 0 of a link to nowhere.
      changed: when, as the storage says it.
    """

    name: str
    label: int
    size_bytes: int
    changed: int


@dataclass(frozen=True)
class ImageFiles:
    """What a folder holds.

    Attributes:
      class_names: of all splits, sorted; empty folders are classes too.
      splits: files by split, in the order of the SHA-256 of their names.
      notes: sentences on what is there and is not read, and on classes called like splits.
    """

    class_names: tuple[str, ...]
    splits: dict[str, tuple[ImageFile, ...]]
    notes: tuple[str, ...] = ()


class _Entry(NamedTuple):
    name: str
    is_folder: bool
    size_bytes: int = 0
    changed: int = 0

    @property
    def is_litter(self) -> bool:
        return self.name.startswith(".") or self.name.lower() in _LITTER


def list_images(root: AnyPath) -> ImageFiles:
    """Lists the files of every class and split.

    Within a split they are sorted by the SHA-256 of their names below `root`. Sorted by name,
    `train[:85%]` would lose the last classes; shuffled, a file more would move all others. So each
    slice has its share of every class, and a file that comes or goes moves the others by a place at
    most.

    Raises:
      UserError: there is no such folder, it cannot be read, it holds no image, or its files are in
        folders that are neither all classes nor all splits of classes.
    """
    litter: list[str] = []

    def listed(*place: str) -> list[_Entry]:
        entries = _entries(root.joinpath(*place))
        litter.extend("/".join((*place, entry.name)) for entry in entries if entry.is_litter)
        return [entry for entry in entries if not entry.is_litter]

    top = listed()
    middle = {entry.name: listed(entry.name) for entry in top if entry.is_folder}
    bottom = {
        (name, entry.name): listed(name, entry.name)
        for name, entries in middle.items()
        for entry in entries
        if entry.is_folder
    }
    has_splits = any(not entry.is_folder for entries in bottom.values() for entry in entries)
    _check_layout(root, top, middle, bottom, has_splits)
    above = [*_files(top)]
    if has_splits:
        above += [f"{name}/{file}" for name, found in middle.items() for file in _files(found)]
        folders: dict[str, dict[tuple[str, ...], list[_Entry]]] = {
            split: {place: found for place, found in bottom.items() if place[0] == split}
            for split in middle
        }
    else:
        folders = {FLAT_SPLIT: {(name,): found for name, found in middle.items()}}
    notes = [*_unread(root, "beside the class folders", above)]
    notes += _unread(root, "hidden, or left by a system", litter)
    if not has_splits and all(role_of(name) for name in middle):
        notes.append(
            f"The classes of {display(str(root))} are {', '.join(sorted(middle))}, as splits are "
            f"called. If they are splits, sort their images into {root}/<split>/<class>/*."
        )
    return _sorted({display(split): places for split, places in folders.items()}, tuple(notes))


def _unread(root: AnyPath, what: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        shown = ", ".join(display(name) for name in sorted(names)[:_SHOWN])
        more = ", ..." if len(names) > _SHOWN else ""
        yield f"Not read in {display(str(root))}: {len(names):,} {what} ({shown}{more})."


def display(name: str) -> str:
    """A file's name as text that can be printed and written, whatever its bytes are."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _sorted(
    folders: dict[str, dict[tuple[str, ...], list[_Entry]]], notes: tuple[str, ...]
) -> ImageFiles:
    """Numbers the classes and sorts the files.

    Args:
      folders: by split and place below the root, what a class folder holds.
      notes: on what is not read.
    """
    class_names = sorted({_class_name(place) for places in folders.values() for place in places})
    labels = {name: number for number, name in enumerate(class_names)}
    splits = {}
    for split, places in folders.items():
        files = [
            ImageFile(
                "/".join((*place, entry.name)),
                labels[_class_name(place)],
                entry.size_bytes,
                entry.changed,
            )
            for place, entries in places.items()
            for entry in entries
            if not entry.is_folder
        ]
        splits[split] = tuple(sorted(files, key=_order))
    return ImageFiles(tuple(class_names), splits, notes)


def _class_name(place: tuple[str, ...]) -> str:
    # macOS writes an accent as a letter of its own: one class, however its folder was packed.
    return unicodedata.normalize("NFC", display(place[-1]))


def _order(file: ImageFile) -> bytes:
    return hashlib.sha256(os.fsencode(file.name)).digest()


def _check_layout(
    root: AnyPath,
    top: list[_Entry],
    middle: dict[str, list[_Entry]],
    bottom: dict[tuple[str, str], list[_Entry]],
    has_splits: bool,
) -> None:
    layouts = f"{root}/<class>/* or {root}/<split>/<class>/*"
    stray = next(_images(top), None)
    if stray:
        raise UserError(
            f"data.folder: {display(str(root / stray))} is in no class folder; images are "
            f"{layouts}."
        )
    strays = (root / name / stray for name, found in middle.items() for stray in _images(found))
    above = next(strays, None)
    if above and has_splits:
        deeper = next("/".join(place) for place, found in bottom.items() if any(_files(found)))
        raise UserError(
            f"data.folder: {display(str(above))} is in a folder of {root}, and images in "
            f"{display(deeper)} are a folder deeper; they are all {layouts}, not both."
        )
    for place, entries in bottom.items():
        for entry in entries:
            folder = root.joinpath(*place, entry.name)
            if entry.is_folder and not all(found.is_litter for found in _entries(folder)):
                raise UserError(
                    f"data.folder: {display(str(folder))} is too deep below {root}; images are "
                    f"{layouts}."
                )
    if not any(any(_files(found)) for found in (*middle.values(), *bottom.values())):
        raise UserError(f"data.folder {root} holds no image; images are {layouts}.")


def _files(entries: Iterable[_Entry]) -> Iterator[str]:
    return (entry.name for entry in entries if not entry.is_folder)


def _images(entries: Iterable[_Entry]) -> Iterator[str]:
    """Files above the class folders that are no notes on the data."""
    for name in _files(entries):
        path = PurePosixPath(name.lower())
        if path.suffix not in _NOTES and path.stem not in _NOTES_NAMED:
            yield name


def _entries(folder: AnyPath) -> list[_Entry]:
    """What a folder holds."""
    try:
        if isinstance(folder, Path):
            with os.scandir(folder) as found:
                return [_local(entry) for entry in found]
        # An object store has no folder that a listing would miss.
        if not folder.is_dir():
            raise FileNotFoundError(2, "No such folder")
        paths = [path for path in folder.iterdir() if path != folder]
        with ThreadPoolExecutor(_REQUESTS) as pool:
            return list(pool.map(_remote, paths))
    except io_errors() as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"data.folder {display(str(folder))} cannot be listed: {reason}."
        ) from error


def _local(entry: os.DirEntry[str]) -> _Entry:
    try:
        found = entry.stat()
    except OSError:  # A link to nowhere or in a circle: the step that reads it sets it aside.
        return _Entry(entry.name, False)
    return _Entry(entry.name, stat.S_ISDIR(found.st_mode), found.st_size, found.st_mtime_ns)


def _remote(path: AnyPath) -> _Entry:
    found = path.stat()
    return _Entry(path.name, found.is_directory, found.length, found.mtime)  # type: ignore
