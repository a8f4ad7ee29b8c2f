r"""The rows of a table as images by split, checked.

>>> import tempfile
>>> from pathlib import Path
>>> from components.example_gen.sources.table_file import read_table
>>> with tempfile.TemporaryDirectory() as folder:
...     _ = Path(folder, "a.jpg").write_bytes(b"...")
...     _ = Path(folder, "labels.csv").write_text("image,label\na.jpg,owl\n")
...     part = Part(read_table(f"{folder}/labels.csv"), folder="")
...     rows = list_rows([part], Columns("image", "label", None, (), ""), folder)
>>> rows.class_names, [file.name for file in rows.splits["train"]]
(('owl',), ['a.jpg'])
"""

from __future__ import annotations

import hashlib
import itertools
import os
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from components.example_gen.sources.image_files import FLAT_SPLIT, ImageFile
from components.example_gen.sources.named_files import stat_files
from components.example_gen.sources.table_columns import Columns
from components.example_gen.sources.table_file import KEY, Table
from components.example_gen.sources.table_mistakes import (
    BACKSLASH,
    ELSEWHERE,
    LEAVES,
    NO_IMAGE,
    NO_LABEL,
    NO_SPLIT,
    NOT_THERE,
    OTHER_CLASS,
    OTHER_SPLIT,
    OTHER_VALUE,
    Mistake,
    Place,
    check_rows,
)
from components.storage import is_uri

SHUFFLED_BYTES = 1_000_000_000
"""Of encoded images in a table, at most, whose rows are taken in the order of a hash: every shard
reads all of the table for them."""

_NOT_NORMAL = re.compile(r"(^|/)\.{1,2}(/|$)|//|/$")
"""In a path: what normpath would change."""


class Part(NamedTuple):
    """One file of a table.

    Attributes:
      table: what it holds.
      folder: its folder relative to the common one; "" where it is this.
      split: that its name or its folder says; None for none.
    """

    table: Table
    folder: str
    split: str | None = None


class Rows(NamedTuple):
    """What the rows of a table name.

    Attributes:
      class_names: sorted, or in the order of their numbers where the table has these.
      splits: images by split, in the order that slices count; the name of an encoded image is its
        table's and, after `#`, its row from 0.
      columns: values of further columns, in the order of `Columns.others`, by the image's name.
      notes: sentences on rows that are not used, and on what looks wrong.
    """

    class_names: tuple[str, ...]
    splits: dict[str, tuple[ImageFile, ...]]
    columns: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]


class _Row(NamedTuple):
    part: int
    number: int
    name: str
    label: str
    split: str
    others: tuple[str, ...]
    order: str

    @property
    def place(self) -> Place:
        return self.part, self.number, self.name


_Stats = Mapping[str, "tuple[int, int] | None"]
"""Size in bytes and modification time by name; None of a file that is not there."""


def list_rows(parts: Sequence[Part], columns: Columns, root: str) -> Rows:
    """Checks every row, and looks at the size and the time of every file.

    Images are in the order of the SHA-256 of their names, as those of a folder; one that lies as
    there, in `<class>/` or `<split>/<class>/`, by this end of its path: the same images have one
    order, whether a folder or a table names them.

    Args:
      parts: the files of the table; of encoded images, all or none.
      columns: which there are.
      root: the folder of the table, a path or a gs:// URI.

    Raises:
      UserError: rows have no image, no class or no split, leave the folder, contradict each other,
        or name what is not there; the message lists each kind with its places.
    """
    found: dict[Mistake, list[Place]] = defaultdict(list)
    whole: list[_Row] = []
    for index, part in enumerate(parts):
        for row in _rows(index, part, columns, root):
            mistake = _mistake(row)
            if mistake:
                found[mistake].append(row.place)
            else:
                whole.append(row)
    rows = _each_once(whole, found)
    if columns.image in parts[0].table.encoded:
        sizes = [part.table.image_bytes for part in parts]
        stats: _Stats = {row.name: (sizes[row.part], 0) for row in rows}
        shuffled = sum(sizes[row.part] for row in rows) <= SHUFFLED_BYTES
    else:
        stats, shuffled = stat_files(root, [row.name for row in rows], KEY), True
        for row in rows:
            if stats[row.name] is None:
                found[BACKSLASH if "\\" in row.name else NOT_THERE].append(row.place)
    check_rows([part.table for part in parts], found)
    class_names = _class_names(parts, columns, rows)
    notes = [*_alike(class_names), *_notes(rows, columns, len(whole) - len(rows), shuffled)]
    splits = _splits(rows, class_names, stats, shuffled)
    others = {row.name: row.others for row in rows} if columns.others else {}
    return Rows(class_names, splits, others, tuple(notes))


def _rows(index: int, part: Part, columns: Columns, root: str) -> Iterator[_Row]:
    """The rows of one file."""
    table = part.table
    texts = table.read(columns.image)
    encoded = columns.image in table.encoded
    if encoded:
        below = posixpath.join(part.folder, posixpath.basename(table.path))
        names = [f"{below}#{row}" for row in range(len(texts))]
    else:
        names = [_name(text, part.folder, root) for text in texts]
    labels = _normalised(table.read(columns.label))
    splits: Iterable[str] = itertools.repeat(part.split or FLAT_SPLIT)
    has_splits = columns.split is not None or part.split is not None
    if columns.split is not None:
        splits = table.read(columns.split)
    values: Iterable[tuple[str, ...]] = itertools.repeat(())
    if columns.others:
        values = zip(*(table.read(name) for name in columns.others), strict=True)
    for number, (name, text, label, split, others) in enumerate(
        zip(names, texts, labels, splits, values, strict=False)
    ):
        of_folder = split if has_splits else ""
        order = name
        if not encoded:
            order = _end(name, label, of_folder)
        elif text:
            # Hugging Face keeps the file's name beside its bytes.
            order = posixpath.join(of_folder, label, posixpath.basename(text))
        yield _Row(index, number, name, label, split, others, order)


def _normalised(texts: Sequence[str]) -> list[str]:
    # macOS stores an accent as a separate character: it must not make another class.
    known = {text: unicodedata.normalize("NFC", text) for text in set(texts)}
    return [known[text] for text in texts]


def _name(text: str, folder: str, root: str) -> str:
    """The name of an image: its path relative to the root where it is below, or else as it is."""
    if not text:
        return ""
    if "://" in text:
        return text.removeprefix(f"{root}/") if is_uri(root) else text
    path = f"{folder}/{text}" if folder and not text.startswith("/") else text
    # Most are normal, and normpath takes ten times as long.
    path = posixpath.normpath(path) if _NOT_NORMAL.search(path) else path
    return path.removeprefix(f"{root}/") if path.startswith("/") else path


def _end(name: str, label: str, split: str) -> str:
    """The end of a name that a folder of classes would have; all of it where it lies otherwise."""
    parts = name.rsplit("/", 3)
    if len(parts) < 2:
        return name
    if parts[-2] != label and unicodedata.normalize("NFC", parts[-2]) != label:
        return name
    kept = 3 if split and len(parts) > 2 and parts[-3] == split else 2
    return "/".join(parts[-kept:])


def _mistake(row: _Row) -> Mistake | None:
    if not row.name:
        return NO_IMAGE
    if not row.label:
        return NO_LABEL
    if not row.split:
        return NO_SPLIT
    if "://" in row.name and not is_uri(row.name):
        return ELSEWHERE
    return LEAVES if row.name.startswith("../") or row.name == ".." else None


def _each_once(rows: Sequence[_Row], found: dict[Mistake, list[Place]]) -> list[_Row]:
    """The rows without those that say the same again; contradictions go to `found`."""
    by_name: dict[str, _Row] = {}
    contradictions: dict[Mistake, dict[Place, None]] = defaultdict(dict)
    for row in rows:
        first = by_name.setdefault(row.name, row)
        if first is row or (row.label, row.split, row.others) == (
            first.label,
            first.split,
            first.others,
        ):
            continue
        differs = OTHER_SPLIT if row.split != first.split else OTHER_VALUE
        what = OTHER_CLASS if row.label != first.label else differs
        contradictions[what] |= {first.place: None, row.place: None}
    found.update({what: sorted(places) for what, places in contradictions.items()})
    return list(by_name.values())


def _class_names(parts: Sequence[Part], columns: Columns, rows: Sequence[_Row]) -> tuple[str, ...]:
    known = [part.table.class_names.get(columns.label) for part in parts]
    if known[0] and all(names == known[0] for names in known):
        return tuple(_normalised(known[0]))
    return tuple(sorted({row.label for row in rows}))


def _splits(
    rows: Sequence[_Row], class_names: Sequence[str], stats: _Stats, shuffled: bool
) -> dict[str, tuple[ImageFile, ...]]:
    labels = {name: number for number, name in enumerate(class_names)}
    keyed: dict[str, list[tuple[bytes, ImageFile]]] = defaultdict(list)
    for row in rows:
        size_bytes, changed = stats[row.name] or (0, 0)
        file = ImageFile(row.name, labels[row.label], size_bytes, changed)
        key = hashlib.sha256(os.fsencode(row.order)).digest() if shuffled else b""
        keyed[row.split].append((key, file))
    if shuffled:
        for files in keyed.values():
            files.sort()
    return {split: tuple(file for _, file in files) for split, files in keyed.items()}


def _notes(rows: Sequence[_Row], columns: Columns, twice: int, shuffled: bool) -> Iterator[str]:
    if twice:
        yield f"{twice:,} rows name an image again, with the same class: it counts once."
    if not shuffled:
        yield (
            f"The images in the table have more than {SHUFFLED_BYTES // 10**9} GB: they are used "
            "in the order of its rows."
        )
    for place, name in enumerate(columns.others):
        empty = sum(not row.others[place] for row in rows)
        if empty:
            yield f"{empty:,} rows have no {name}: they are a slice of their own."


def _alike(class_names: Sequence[str]) -> Iterator[str]:
    """A sentence about classes that may be one."""
    by_text: dict[str, list[str]] = defaultdict(list)
    for name in class_names:
        by_text["".join(name.casefold().split())].append(name)
    for names in by_text.values():
        if len(names) > 1:
            yield f"Classes that differ in case or spaces alone: {', '.join(map(repr, names))}."
