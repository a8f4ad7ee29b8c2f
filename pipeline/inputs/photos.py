"""What a folder or a table of images holds: its classes and splits, formats and sizes by headers.

No image is decoded.

    >>> photos = Photos("/photos", ("cat", "dog"), {"all": (0, 0, 1)}, {"jpeg": 3}, (375, 500))
    >>> photos.count, class_counts(photos)
    (3, {'cat': 2, 'dog': 1})
"""

from __future__ import annotations

import itertools
import os
import posixpath
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.errors import UserError
from components.example_gen.config import TableConfig
from components.example_gen.screen.formats import format_of
from components.example_gen.screen.header import header_size
from components.example_gen.screen.result import UnfitError
from components.example_gen.sources.folder import FolderData, open_folder
from components.example_gen.sources.image_files import display
from components.example_gen.sources.slices import Run
from components.example_gen.sources.table import open_table

_LOOKED_AT = 64
"""Images whose first bytes are read."""
_READ_BYTES = 1 << 20
"""Bytes read of each; the header of a photograph with a preview in its EXIF is within."""


@dataclass(frozen=True)
class Photos:
    """What a folder or a table holds.

    Attributes:
      path: absolute, or a URI.
      class_names: sorted.
      splits: number of each image's class, by split of the folder, in the order that slices count.
      formats: how many of those looked at have which format; "" is none that is known.
      size: median (height, width) in pixels of those looked at; None where no header is readable.
      notes: sentences on what is not read, and on what was guessed.
      key: `folder` or `table`.
      section: of the key, as in a configuration; None is the path.
      full_name: of the source, as `components.example_gen.sources.source.Source` has it.
    """

    path: str
    class_names: tuple[str, ...]
    splits: dict[str, tuple[int, ...]]
    formats: dict[str, int]
    size: tuple[int, int] | None
    notes: tuple[str, ...] = ()
    key: str = "folder"
    section: Mapping[str, Any] | None = None
    full_name: str = ""

    @property
    def name(self) -> str:
        """`photos` of a folder, `photos-labels` of photos/labels.csv."""
        if self.key == "folder":
            return posixpath.basename(self.path.rstrip("/"))
        below = self.full_name.partition("/")[2]
        return posixpath.splitext(below)[0].replace("/", "-")

    @property
    def data(self) -> dict[str, Any]:
        """The key and its value in the section `data`."""
        return {self.key: self.path if self.section is None else dict(self.section)}

    @property
    def count(self) -> int:
        """Images in all."""
        return sum(map(len, self.splits.values()))


def look(folder: str) -> Photos:
    """Counts the images of a folder and reads the beginnings of some.

    Raises:
      UserError: there is no such folder, or it holds no images of two classes.
    """
    root = folder if "://" in folder else os.path.abspath(os.path.expanduser(folder))
    data = open_folder(root, _READ_BYTES)
    if len(data.class_names) < 2:
        raise UserError(
            f"data.folder {display(root)} has one class ({data.class_names[0]}); a "
            "classifier needs two or more, each in a folder of its own."
        )
    return _photos(data, root, "folder")


def look_table(config: TableConfig) -> Photos:
    """Reads a table of images, and the beginnings of some.

    Args:
      config: the `data.table` section, its path absolute.

    Raises:
      UserError: it cannot be read, or holds no images of two classes.
    """
    data = open_table(config, _READ_BYTES)
    if len(data.class_names) < 2:
        raise UserError(
            f"{data.key} {config.path} has one class ({data.class_names[0]}); a classifier needs "
            "two or more. If another column has the classes: --set data.table.label=NAME."
        )
    section = config.model_dump(mode="json", exclude_unset=True)
    return _photos(data, config.path, "table", section if len(section) > 1 else None)


def _photos(
    data: FolderData, path: str, key: str, section: Mapping[str, Any] | None = None
) -> Photos:
    formats: Counter[str] = Counter()
    sizes = []
    for kind, size in _begins(data):
        formats[kind] += 1
        sizes += [size] if size else []
    median = tuple(round(statistics.median(side)) for side in zip(*sizes, strict=True))
    splits = {
        name: tuple(file.label for file in found) for name, found in data.listed.splits.items()
    }
    return Photos(
        path,
        data.class_names,
        splits,
        dict(formats),
        (median[0], median[1]) if sizes else None,
        data.notes,
        key,
        section,
        data.full_name,
    )


def _begins(data: FolderData) -> Iterator[tuple[str, tuple[int, int] | None]]:
    """Format and (height, width) of the first images; "" and None where they cannot be read."""
    each = max(1, _LOOKED_AT // max(1, len(data.listed.splits)))
    for split, files in data.listed.splits.items():
        shards = data.shards("", [Run(split, 0, len(files))]) if files else []
        images = itertools.chain.from_iterable(shard.images() for shard in shards)
        for stored in itertools.islice(images, each):
            try:
                yield format_of(stored.image), header_size(stored.image)
            except UnfitError:
                yield "", None


def class_counts(photos: Photos) -> Mapping[str, int]:
    """Images by class name, in all splits."""
    counts = Counter(label for labels in photos.splits.values() for label in labels)
    return {name: counts[number] for number, name in enumerate(photos.class_names)}
