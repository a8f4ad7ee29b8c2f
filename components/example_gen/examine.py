"""Every record of a shard is kept, with its row in the image index, or set aside with a reason."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from components.example_gen.config import ScreenConfig
from components.example_gen.index import IndexRow
from components.example_gen.screen.quarantine import Reject
from components.example_gen.screen.screen import Reason, Refused, check_label, screen
from components.example_gen.sources.image_files import display
from components.example_gen.sources.shard import Shard
from components.example_gen.sources.stored import Stored, parsed
from components.transform.features import IMAGE, LABEL

_MOST_THREADS = 8
_AHEAD = 4
"""Records a thread that are read before they are needed: more would only take memory."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Kept:
    """A record that becomes an example.

    Attributes:
      record: the serialized tf.Example; byte for byte as stored, unless its image was converted.
      row: what the index says of it.
    """

    record: bytes
    row: IndexRow


def examined(shard: Shard, limits: ScreenConfig, classes: int) -> Iterator[Kept | Reject]:
    """The records that a shard takes, in their order, each kept or set aside.

    Images are decoded on several threads: TensorFlow and Pillow let Python go on meanwhile.
    """
    threads = min(len(os.sched_getaffinity(0)), _MOST_THREADS)
    with ThreadPoolExecutor(threads) as pool:
        records = shard.records()
        yield from _in_order(
            pool, lambda stored: examine(stored, limits, classes), records, threads * _AHEAD
        )


def examine(stored: Stored, limits: ScreenConfig, classes: int) -> Kept | Reject:
    """Holds one record against the screen.

    Args:
      stored: the record.
      limits: the `data.screen` section.
      classes: how many there are.
    """
    example = parsed(stored.record)
    if example is None:
        return Reject(stored.source, Reason.MALFORMED.value, "no tf.Example", stored.record, None)
    images = example.features.feature[IMAGE].bytes_list.value
    labels = example.features.feature[LABEL].int64_list.value
    found = _refused(stored, images, labels, classes) or screen(images[0], limits)
    if isinstance(found, Refused):
        image = b"".join(images) if images else stored.record
        label = next(iter(labels), None)
        return Reject(stored.source, found.reason.value, found.sentence, image, label)
    row = IndexRow(
        source=display(stored.source),
        label=labels[0],
        format=found.format,
        width=found.width,
        height=found.height,
        num_bytes=len(found.image),
        sha256=hashlib.sha256(found.image).digest(),
        phash=found.phash,
        **found.looks._asdict(),
    )
    if found.image == images[0]:
        return Kept(stored.record, row)
    images[0] = found.image
    return Kept(example.SerializeToString(deterministic=True), row)


def _refused(
    stored: Stored, images: Sequence[bytes], labels: Sequence[int], classes: int
) -> Refused | None:
    """What is wrong with a record before its image is looked at."""
    if stored.error:
        return Refused(Reason.UNREADABLE, stored.error)
    if stored.refused:
        return stored.refused
    if len(images) != 1 or len(labels) > 1:
        return Refused(Reason.MALFORMED, f"{len(images)} images and {len(labels)} labels, not one")
    if stored.size_bytes:
        return Refused(
            Reason.TOO_MANY_BYTES,
            f"{stored.size_bytes:,} bytes, more than data.screen.max_bytes; its beginning is kept",
        )
    return check_label(next(iter(labels), None), classes)


def _in_order(
    pool: ThreadPoolExecutor,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    ahead: int,
) -> Iterator[Result]:
    """`map` that has at most so many items under way."""
    under_way: deque[Future[Any]] = deque()
    for item in items:
        under_way.append(pool.submit(function, item))
        if len(under_way) >= ahead:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()
