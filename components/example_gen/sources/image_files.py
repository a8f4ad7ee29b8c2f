"""Lists the images below a folder: `<folder>/<class>/*`, or `<folder>/<split>/<class>/*`.

The depth of the files decides which of the two it is. Folders are listed, no file is opened.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("train/daisy", "train/rose", "val/rose"):
    ...         Path(folder, name).mkdir(parents=True)
    ...         Path(folder, name, "1.jpg").touch()
    ...     images = list_images(Path(folder))
    >>> images.class_names
    ('daisy', 'rose')
    >>> [(file.name, file.label) for file in images.splits["val"]]
    [('val/rose/1.jpg', 1)]
"""

from __future__ import annotations

import hashlib
import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from components.errors import UserError
from components.example_gen.sources.own_splits import role_of
from components.storage import AnyPath, io_errors

FLAT_SPLIT = "train"
"""The only split of a folder whose subfolders are classes."""

_LITTER = {
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "$recycle.bin"),
    *("system volume information", "lost+found"),
}
"""Files that operating systems leave in folders, besides hidden ones."""

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
"""Ends of the names of tables."""
_NOTES = {".cff", ".htm", ".html", ".json", ".md", ".pdf", ".rst", ".txt", ".xml", ".yaml", ".yml"}
_NOTES |= {*TABLE_SUFFIXES}
_NOTES_NAMED = {"license", "licence", "readme", "checksums", "notice"}
"""Files above the class folders that are not images."""

_SHOWN = 3
"""Names shown of files that are not read, at most."""

_REQUESTS = 32
"""Concurrent requests for file sizes to an object store."""


class ImageFile(NamedTuple):
    """A file in a class folder.

    Attributes:
      name: relative to the folder, with slashes; in the encoding of os.fsdecode.
      label: class index.
      size_bytes: its length; 0 for a dangling link.
      changed: modification time, in the storage's unit.
    """

    name: str
    label: int
    size_bytes: int
    changed: int


@dataclass(frozen=True)
class ImageFiles:
    """The images of a folder.

    Attributes:
      class_names: of all splits, sorted; empty folders are classes too.
      splits: files by split, in the order of the SHA-256 of their names.
      notes: sentences about files that are not read, and about classes named like splits.
    """

    class_names: tuple[str, ...]
    splits: dict[str, tuple[ImageFile, ...]]
    notes: tuple[str, ...] = ()


class Entry(NamedTuple):
    """A file or folder in a folder.

    Attributes:
      name: of itself.
      is_folder: whether it is one, or a link to one.
      size_bytes: of a file; 0 for a dangling link.
      changed: modification time, in the storage's unit.
    """

    name: str
    is_folder: bool
    size_bytes: int = 0
    changed: int = 0

    @property
    def is_litter(self) -> bool:
        """Whether an operating system left it, or it is hidden."""
        return self.name.startswith(".") or self.name.lower() in _LITTER


def list_images(root: AnyPath) -> ImageFiles:
    """Lists the files of every class and split.

    Within a split they are sorted by the SHA-256 of their names relative to `root`. Sorted by
    name, `train[:85%]` would lose the last classes; shuffled, a new file would move all others. In
    this order each slice has its share of every class, and a new or removed file moves the others
    by one place at most.

    Raises:
      UserError: the folder is missing, cannot be read, holds no image, or mixes the two layouts.
    """
    litter: list[str] = []

    def listed(*place: str) -> list[Entry]:
        entries = list_folder(root.joinpath(*place))
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
        folders: dict[str, dict[tuple[str, ...], list[Entry]]] = {
            split: {place: found for place, found in bottom.items() if place[0] == split}
            for split in middle
        }
    else:
        folders = {FLAT_SPLIT: {(name,): found for name, found in middle.items()}}
    notes = [*unread(root, "beside the class folders", above)]
    notes += unread(root, "hidden or system files", litter)
    if not has_splits and all(role_of(name) for name in middle):
        notes.append(
            f"The classes of {display(str(root))} are named like splits: "
            f"{', '.join(sorted(middle))}. If they are splits, move their images to "
            f"{root}/<split>/<class>/*."
        )
    return _sorted({display(split): places for split, places in folders.items()}, tuple(notes))


def unread(root: AnyPath, what: str, names: Sequence[str]) -> Iterator[str]:
    """A sentence about files that are not read, if there are any."""
    if names:
        shown = ", ".join(display(name) for name in sorted(names)[:_SHOWN])
        more = ", ..." if len(names) > _SHOWN else ""
        yield f"Not read in {display(str(root))}: {len(names):,} {what} ({shown}{more})."


def display(name: str) -> str:
    """A file name as printable text, whatever its bytes are."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _sorted(
    folders: dict[str, dict[tuple[str, ...], list[Entry]]], notes: tuple[str, ...]
) -> ImageFiles:
    """Numbers the classes and sorts the files.

    Args:
      folders: the content of each class folder, by split and by place below the root.
      notes: about files that are not read.
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
    # macOS stores an accent as a separate character: it must not make another class.
    return unicodedata.normalize("NFC", display(place[-1]))


def _order(file: ImageFile) -> bytes:
    return hashlib.sha256(os.fsencode(file.name)).digest()


def _check_layout(
    root: AnyPath,
    top: list[Entry],
    middle: dict[str, list[Entry]],
    bottom: dict[tuple[str, str], list[Entry]],
    has_splits: bool,
) -> None:
    layouts = f"{root}/<class>/* or {root}/<split>/<class>/*"
    stray = next(_images(top), None)
    if stray:
        raise UserError(
            f"data.folder: {display(str(root / stray))} is in no class folder. Move it: "
            f"images must be {layouts}."
        )
    strays = (root / name / stray for name, found in middle.items() for stray in _images(found))
    above = next(strays, None)
    if above and has_splits:
        deeper = next("/".join(place) for place, found in bottom.items() if any(_files(found)))
        raise UserError(
            f"data.folder: {display(str(above))} is directly in a folder of {root}, but the "
            f"images in {display(deeper)} are one folder deeper. Move them: all images must be "
            f"{layouts}, not both."
        )
    for place, entries in bottom.items():
        for entry in entries:
            folder = root.joinpath(*place, entry.name)
            if entry.is_folder and not all(found.is_litter for found in list_folder(folder)):
                raise UserError(
                    f"data.folder: {display(str(folder))} is too deep below {root}. Move its "
                    f"files: images must be {layouts}."
                )
    if not any(any(_files(found)) for found in (*middle.values(), *bottom.values())):
        raise UserError(f"data.folder {root} holds no image; images must be {layouts}.")


def _files(entries: Iterable[Entry]) -> Iterator[str]:
    return (entry.name for entry in entries if not entry.is_folder)


def _images(entries: Iterable[Entry]) -> Iterator[str]:
    """Files above the class folders that are not documentation of the data."""
    for name in _files(entries):
        if not is_note(name):
            yield name


def is_note(name: str) -> bool:
    """Whether a file documents images, by its name."""
    # Not by pathlib, which takes ten times as long: a listing asks it of every file.
    stem, suffix = os.path.splitext(name.lower().rpartition("/")[2])
    return suffix in _NOTES or stem in _NOTES_NAMED


def list_folder(folder: AnyPath, key: str = "data.folder") -> list[Entry]:
    """The content of a folder.

    Args:
      folder: on a disk or in an object store.
      key: what gave it, for errors.

    Raises:
      UserError: it cannot be listed.
    """
    try:
        if isinstance(folder, Path):
            with os.scandir(folder) as found:
                return [_local(entry) for entry in found]
        # Listing a missing folder in an object store raises nothing.
        if not folder.is_dir():
            raise FileNotFoundError(2, "No such folder")
        paths = [path for path in folder.iterdir() if path != folder]
        with ThreadPoolExecutor(_REQUESTS) as pool:
            return list(pool.map(_remote, paths))
    except io_errors() as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{key} {display(str(folder))} cannot be listed: {reason}.") from error


def _local(entry: os.DirEntry[str]) -> Entry:
    try:
        found = entry.stat()
    except OSError:  # A dangling or circular link: ExampleGen will reject it.
        return Entry(entry.name, False)
    return Entry(entry.name, stat.S_ISDIR(found.st_mode), found.st_size, found.st_mtime_ns)


def _remote(path: AnyPath) -> Entry:
    found = path.stat()
    return Entry(path.name, found.is_directory, found.length, found.mtime)  # type: ignore
