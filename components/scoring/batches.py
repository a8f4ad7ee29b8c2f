"""Reads the images of a shard and screens them, in batches that are always the same ones.

A batch is a run of consecutive images. Its bounds depend on nothing but their positions, so that a
model, whose last bits depend on the batch, gives the same answers in whatever order or process.

>>> import tempfile
>>> from pathlib import Path
>>> from components.example_gen.sources.folder_shard import FolderShard
>>> with tempfile.TemporaryDirectory() as folder:
...     for name in ("1.jpg", "2.jpg", "3.jpg"):
...         _ = Path(folder, name).write_bytes(b"no image")
...     names = ("1.jpg", "2.jpg", "3.jpg")
...     shard = FolderShard("all", 0, 1, folder, 0, 3, names=names, limit_bytes=1_000)
...     settings = ScoreSettings(model="m", images=folder, output="o.parquet", batch_size=2)
...     batches = list(read_batches(Work(shard, todo=(1,)), settings))
>>> batches[0].number, batches[0].names, batches[0].refused[0].reason.value
(1, ('3.jpg',), 'not_an_image')
"""

from __future__ import annotations

import math
import os
from collections.abc import Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from components.example_gen.screen.acceptance import is_converted, screen, screen_header
from components.example_gen.screen.result import Reason, Refused
from components.example_gen.screening import in_order
from components.example_gen.sources.shard import Shard
from components.example_gen.sources.stored import StoredImage
from components.scoring.settings import ScoreSettings

_AHEAD = 4
"""Images per thread that are read ahead."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Work:
    """What is left to do of a shard.

    Attributes:
      todo: numbers of its batches, rising.
    """

    shard: Shard
    todo: tuple[int, ...]


@dataclass(frozen=True)
class Batch:
    """Consecutive images of a shard.

    Attributes:
      shard: its number.
      number: of the batch in it.
      names: of all its images.
      images: encoded, those that the model is asked for.
      refused: why the others are not asked for, by their position in `names`.
    """

    shard: int
    number: int
    names: tuple[str, ...]
    images: tuple[bytes, ...]
    refused: Mapping[int, Refused]

    def __len__(self) -> int:
        """Images that the model is asked for."""
        return len(self.images)

    @property
    def num_bytes(self) -> int:
        """Of the images."""
        return sum(map(len, self.images))

    @property
    def asked(self) -> list[int]:
        """Positions of `images` in `names`."""
        return [place for place in range(len(self.names)) if place not in self.refused]


def count_batches(shard: Shard, size: int) -> int:
    """How many batches of `size` images a shard has; the last may be smaller."""
    return math.ceil(shard.take / size)


def work_of(shards: Sequence[Shard], size: int, done: Container[tuple[int, int]]) -> list[Work]:
    """The shards of which something is left to do.

    Args:
      shards: all of them.
      size: of a batch.
      done: (number of the shard, number of the batch) of what is not to be done again.
    """
    found = []
    for index, shard in enumerate(shards):
        todo = [n for n in range(count_batches(shard, size)) if (index, n) not in done]
        if todo:
            # The sources number shards by split.
            found.append(Work(replace(shard, index=index), tuple(todo)))
    return found


def read_batches(work: Work, settings: ScoreSettings) -> Iterator[Batch]:
    """The batches to do of a shard, each read while the one before it is with the model.

    Raises:
      RuntimeError: the shard holds fewer images than its source says.
    """
    return _ahead(_read(work, settings))


def _read(work: Work, settings: ScoreSettings) -> Iterator[Batch]:
    size, take = settings.batch_size, work.shard.take
    places = [range(n * size, min((n + 1) * size, take)) for n in work.todo]
    shard = replace(work.shard, drawn=tuple(place for each in places for place in each))
    screened = _screened(shard.images(), settings)
    for number, each in zip(work.todo, places, strict=True):
        found = [item for _, item in zip(each, screened, strict=False)]
        if len(found) < len(each):
            raise RuntimeError(
                f"{shard.path} holds fewer than the {shard.skip + take:,} images that it should"
            )
        yield _batch(shard.index, number, found)


def _batch(shard: int, number: int, found: Sequence[tuple[str, bytes | Refused]]) -> Batch:
    return Batch(
        shard,
        number,
        names=tuple(name for name, _ in found),
        images=tuple(image for _, image in found if not isinstance(image, Refused)),
        refused={i: image for i, (_, image) in enumerate(found) if isinstance(image, Refused)},
    )


def _screened(
    images: Iterator[StoredImage], settings: ScoreSettings
) -> Iterator[tuple[str, bytes | Refused]]:
    """Name, and the encoded image or why it is refused."""
    if settings.screen == "header" and not settings.limits.convert:
        # Some microseconds each: threads would cost more.
        yield from ((stored.source, _asked(stored, settings)) for stored in images)
        return
    threads = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(threads) as pool:
        yield from in_order(
            pool,
            lambda stored: (stored.source, _asked(stored, settings)),
            images,
            threads * _AHEAD,
        )


def _asked(stored: StoredImage, settings: ScoreSettings) -> bytes | Refused:
    if stored.error:
        return Refused(Reason.UNREADABLE, stored.error)
    if stored.refused:
        return stored.refused
    if stored.size_bytes:
        most = settings.limits.max_bytes
        return Refused(Reason.TOO_MANY_BYTES, f"{stored.size_bytes:,} bytes, more than {most:,}")
    header = screen_header(stored.image, settings.limits)
    if isinstance(header, Refused):
        return header
    if settings.screen == "full" or is_converted(header, settings.limits):
        found = screen(stored.image, settings.limits)
        return found if isinstance(found, Refused) else found.image
    return stored.image


def _ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same items, the next of which a thread makes while one is used."""
    end = object()
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(next, items, end)
        while (item := pending.result()) is not end:
            pending = pool.submit(next, items, end)
            yield item  # type: ignore[misc]
