"""What a folder of images holds: its classes and splits by name, formats and sizes by some headers.

No image is decoded.

    >>> photos = Photos("/photos", ("cat", "dog"), {"all": (0, 0, 1)}, {"jpeg": 3}, (375, 500))
    >>> photos.count, class_counts(photos)
    (3, {'cat': 2, 'dog': 1})
"""

from __future__ import annotations

import math
import os
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from components.errors import UserError
from components.example_gen.screen.formats import format_of
from components.example_gen.screen.header import header_size
from components.example_gen.screen.result import UnfitError
from components.example_gen.sources.image_files import ImageFile, display, list_images
from components.storage import AnyPath, as_path, io_errors

_LOOKED_AT = 64
"""Images whose first bytes are read."""
_READ_BYTES = 1 << 20
"""Bytes read of each; the header of a photograph with a preview in its EXIF is within."""


@dataclass(frozen=True)
class Photos:
    """What a folder holds.

    Attributes:
      folder: its absolute path, or its URI.
      class_names: sorted.
      splits: number of each image's class, by split of the folder, in the order that slices count.
      formats: how many of those looked at have which format; "" is none that is known.
      size: median (height, width) in pixels of those looked at; None where no header is readable.
      notes: sentences on what in the folder is not read.
    """

    folder: str
    class_names: tuple[str, ...]
    splits: dict[str, tuple[int, ...]]
    formats: dict[str, int]
    size: tuple[int, int] | None
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Images in all."""
        return sum(map(len, self.splits.values()))


def look(folder: str) -> Photos:
    """Counts the images of a folder and reads the beginnings of some.

    Raises:
      UserError: there is no such folder, or it holds no images of two classes.
    """
    root = as_path(folder if "://" in folder else os.path.abspath(os.path.expanduser(folder)))
    listed = list_images(root)
    if len(listed.class_names) < 2:
        raise UserError(
            f"data.folder {display(str(root))} has one class ({listed.class_names[0]}); a "
            "classifier needs two or more, each in a folder of its own."
        )
    files = [file for found in listed.splits.values() for file in found]
    formats: Counter[str] = Counter()
    sizes = []
    for file in files[:: max(1, math.ceil(len(files) / _LOOKED_AT))]:
        kind, size = _begins(root, file)
        formats[kind] += 1
        sizes += [size] if size else []
    median = tuple(round(statistics.median(side)) for side in zip(*sizes, strict=True))
    return Photos(
        str(root),
        listed.class_names,
        {name: tuple(file.label for file in found) for name, found in listed.splits.items()},
        dict(formats),
        (median[0], median[1]) if sizes else None,
        listed.notes,
    )


def _begins(root: AnyPath, file: ImageFile) -> tuple[str, tuple[int, int] | None]:
    """Format and (height, width) of an image; "" and None where they cannot be read."""
    try:
        with root.joinpath(file.name).open("rb") as opened:
            image = opened.read(_READ_BYTES)
        return format_of(image), header_size(image)
    except io_errors(UnfitError):
        return "", None


def class_counts(photos: Photos) -> Mapping[str, int]:
    """Images by class name, in all splits."""
    counts = Counter(label for labels in photos.splits.values() for label in labels)
    return {name: counts[number] for number, name in enumerate(photos.class_names)}
