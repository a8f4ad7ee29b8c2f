"""The images of `--images`: a folder, a pattern, a table of paths, or a data set of tfds.

>>> import tempfile
>>> from pathlib import Path
>>> with tempfile.TemporaryDirectory() as folder:
...     for name in ("b.jpg", "a.png", "notes.txt"):
...         Path(folder, name).touch()
...     images = open_images(ScoreSettings(model="m", images=folder, output="out.parquet"))
>>> images.count, images.shards[0].names
(2, ('a.png', 'b.jpg'))
>>> images.notes
('Not read in ...: 1 files that are no images (notes.txt).',)
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from components.errors import UserError
from components.example_gen.config import DataConfig
from components.example_gen.sources.file_stat import size_and_time
from components.example_gen.sources.folder_shard import FolderShard
from components.example_gen.sources.image_files import Entry, is_note, list_folder, unread
from components.example_gen.sources.patterns import fixed_folder, is_pattern, matching
from components.example_gen.sources.shard import Shard
from components.example_gen.sources.slices import first_lines, length, runs_of
from components.scoring.paths_table import SUFFIXES, read_paths
from components.scoring.settings import TFDS, ScoreSettings
from components.storage import AnyPath, as_path, io_errors, is_local, is_uri

KEY = "--images"
_BATCHES = 16
"""Of a shard of files: enough shards for all workers."""
_REQUESTS = 32
"""Concurrent requests for sizes and times."""

_Files = Sequence[tuple[str, str]]
"""Name and what identifies the content, of every file."""


@dataclass(frozen=True)
class Images:
    """What is scored.

    Attributes:
      shards: what to read, in the order of the table.
      fingerprint: changes whenever a name or a file changes; no file is read for it.
      notes: sentences about what is not read.
    """

    shards: tuple[Shard, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Images in all shards."""
        return sum(shard.take for shard in self.shards)


def open_images(settings: ScoreSettings) -> Images:
    """Lists the images; none of them is opened.

    Raises:
      UserError: there is none, or `images` names nothing that can be read.
    """
    given = settings.images
    if given.startswith(TFDS):
        return _of_tfds(settings)
    if settings.split != "all" or settings.data_dir is not None:
        raise UserError(f"--split and --data-dir go with {KEY} {TFDS}NAME; {given} is none.")
    path = as_path(given)
    is_there = path.exists() or (is_local(path) and os.path.lexists(path))
    is_table = path.suffix.lower() in SUFFIXES and not (is_pattern(given) and not is_there)
    if settings.column is not None and not is_table:
        raise UserError(f"--column goes with a table of paths; {KEY} {given} is none.")
    if is_there and path.is_dir():
        return _of_folder(path, settings)
    if is_table:
        return _of_table(given, settings)
    if is_there:
        return _of_files(str(path.parent), _identified(str(path.parent), [path.name]), settings)
    if not is_pattern(given):
        raise UserError(
            f"{KEY} {given}: there is no such file or folder. Give a folder, a pattern in quotes "
            f"('photos/*.jpg'), a table of paths ({', '.join(SUFFIXES)}), or {TFDS}NAME."
        )
    return _of_pattern(given, settings)


def _of_folder(root: AnyPath, settings: ScoreSettings) -> Images:
    skipped: dict[str, list[str]] = {"hidden or system files": [], "files that are no images": []}
    # As names: an absolute path of every image would cost more than listing it.
    own = {os.path.relpath(path, root) for path in (settings.target, settings.rejects)}
    found = []
    for place, entry in _walk(root, skipped["hidden or system files"]):
        name = "/".join((*place, entry.name))
        if is_note(name):
            skipped["files that are no images"].append(name)
        elif name not in own:
            found.append((name, f"{entry.size_bytes}:{entry.changed}"))
    notes = itertools.chain.from_iterable(unread(root, what, of) for what, of in skipped.items())
    return _of_files(str(root), found, settings, tuple(notes))


def _walk(root: AnyPath, litter: list[str]) -> Iterator[tuple[tuple[str, ...], Entry]]:
    """(place of its folder, entry) of every file below a folder; each folder once."""
    seen = set()
    folders: deque[tuple[str, ...]] = deque([()])
    while folders:
        place = folders.popleft()
        folder = root.joinpath(*place)
        # A link may lead back to a folder above it.
        real = os.path.realpath(folder) if is_local(folder) else str(folder)
        if real in seen:
            continue
        seen.add(real)
        # In one order, or two links to one folder would take turns.
        for entry in sorted(list_folder(folder, KEY)):
            if entry.is_litter:
                litter.append("/".join((*place, entry.name)))
            elif entry.is_folder:
                folders.append((*place, entry.name))
            else:
                yield place, entry


def _of_pattern(pattern: str, settings: ScoreSettings) -> Images:
    root = fixed_folder(pattern)
    paths = matching(pattern, KEY)
    names = [path.removeprefix(root).lstrip("/") if root else path for path in paths]
    return _of_files(root, _identified(root, names), settings)


def _of_table(table: str, settings: ScoreSettings) -> Images:
    names, twice = read_paths(table, settings.column)
    root = str(as_path(table).parent)
    notes = [f"{twice:,} rows of {table} name a file again; it is scored once."] if twice else []
    return _of_files(root, _identified(root, names), settings, tuple(notes))


def _identified(root: str, names: Sequence[str]) -> _Files:
    """Size and time of each file; a file that is not there has none, and will be a reject."""

    def identity(name: str) -> str:
        try:
            return size_and_time(as_path(name if is_uri(name) else os.path.join(root, name)))
        except io_errors():
            return ""

    with ThreadPoolExecutor(_REQUESTS) as pool:
        return list(zip(names, pool.map(identity, names), strict=True))


def _of_files(
    root: str, files: _Files, settings: ScoreSettings, notes: tuple[str, ...] = ()
) -> Images:
    if not files:
        said = f" {' '.join(notes)}" if notes else ""
        raise UserError(f"{KEY} {settings.images} holds no image.{said}")
    # Whatever the locale.
    ordered = sorted(files, key=lambda file: os.fsencode(file[0]))
    size = settings.batch_size * _BATCHES
    pieces = [ordered[begin : begin + size] for begin in range(0, len(ordered), size)]
    shards = tuple(
        FolderShard(
            split="all",
            index=index,
            count=len(pieces),
            path=root,
            skip=index * size,
            take=len(piece),
            names=tuple(name for name, _ in piece),
            limit_bytes=settings.limits.max_bytes,
        )
        for index, piece in enumerate(pieces)
    )
    return Images(shards, _digest(itertools.chain.from_iterable(ordered)), notes)


def _of_tfds(settings: ScoreSettings) -> Images:
    from components.example_gen.sources.tfds import open_unlabelled

    name = settings.images.removeprefix(TFDS)
    if not name:
        raise UserError(f"{KEY} {TFDS}: give the name of a data set, such as {TFDS}digits.")
    try:
        data = open_unlabelled(DataConfig(name=name, data_dir=settings.data_dir))
        runs = runs_of(settings.split, data.splits)
    except UserError as error:
        text = str(error).removeprefix("data.name: ").replace("data.data_dir", "--data-dir")
        raise UserError(f"{KEY} {settings.images}: {text}") from error
    except ValueError as error:
        known = ", ".join(sorted(data.splits))
        said = f"--split {settings.split!r}: {first_lines(error, 1)}"
        raise UserError(f"{said} {data.full_name} has: {known}.") from error
    if not length(runs):
        raise UserError(f"--split {settings.split!r} selects no image of {data.full_name}.")
    return Images(tuple(data.shards("all", runs)), data.fingerprint(runs))


def _digest(texts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(os.fsencode(f"{text}\0"))
    return digest.hexdigest()
