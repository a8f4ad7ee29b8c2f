"""Screens the records of a shard: each becomes an example with an index row, or a reject.

>>> import io
>>> from PIL import Image
>>> from tensorflow_datasets.proto import tf_example_pb2
>>> file = io.BytesIO()
>>> Image.new("RGB", (32, 24), "red").save(file, "PNG")
>>> example = tf_example_pb2.Example()
>>> example.features.feature["image"].bytes_list.value.append(file.getvalue())
>>> example.features.feature["label"].int64_list.value.append(1)
>>> stored = Stored("roses/1.png", example.SerializeToString())
>>> row = screen_record(stored, ScreenConfig(), classes=2).row
>>> row.source, row.label, row.format, row.width, row.height, row.colour
('roses/1.png', 1, 'png', 32, 24, '#ff0000')
>>> screen_record(stored, ScreenConfig(max_bytes=10), classes=2).reason
'too_many_bytes'
"""

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
from components.example_gen.screen.acceptance import Reason, Refused, check_label, screen
from components.example_gen.screen.quarantine import Reject
from components.example_gen.sources.image_files import display
from components.example_gen.sources.shard import Shard
from components.example_gen.sources.stored import Stored, parsed
from components.transform.features import IMAGE, LABEL

_MOST_THREADS = 8
_AHEAD = 4
"""Records per thread that are read ahead: more would only take memory."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class IndexedExample:
    """A record that passed the screen.

    Attributes:
      record: the serialized tf.Example; byte for byte as stored, unless its image was converted.
      row: its row of the image index.
    """

    record: bytes
    row: IndexRow


def screen_shard(
    shard: Shard, limits: ScreenConfig, classes: int
) -> Iterator[IndexedExample | Reject]:
    """Screens the records of a shard, in their order.

    Images are decoded on several threads: TensorFlow and Pillow release Python's lock meanwhile.
    """
    threads = min(len(os.sched_getaffinity(0)), _MOST_THREADS)
    with ThreadPoolExecutor(threads) as pool:
        records = shard.records()
        yield from in_order(
            pool, lambda stored: screen_record(stored, limits, classes), records, threads * _AHEAD
        )


def screen_record(stored: Stored, limits: ScreenConfig, classes: int) -> IndexedExample | Reject:
    """Screens one record.

    Args:
      stored: the record.
      limits: the `data.screen` section.
      classes: how many there are.
    """
    example = parsed(stored.record)
    if example is None:
        return Reject(
            stored.source, Reason.MALFORMED.value, "not a tf.Example", stored.record, None
        )
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
        return IndexedExample(stored.record, row)
    images[0] = found.image
    return IndexedExample(example.SerializeToString(deterministic=True), row)


def _refused(
    stored: Stored, images: Sequence[bytes], labels: Sequence[int], classes: int
) -> Refused | None:
    """What is wrong with a record, apart from its image."""
    if stored.error:
        return Refused(Reason.UNREADABLE, stored.error)
    if stored.refused:
        return stored.refused
    if len(images) != 1 or len(labels) > 1:
        return Refused(
            Reason.MALFORMED, f"{len(images)} images and {len(labels)} labels instead of one each"
        )
    if stored.size_bytes:
        return Refused(
            Reason.TOO_MANY_BYTES,
            f"{stored.size_bytes:,} bytes, more than data.screen.max_bytes; its start is stored",
        )
    return check_label(next(iter(labels), None), classes)


def in_order(
    pool: ThreadPoolExecutor,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    ahead: int,
) -> Iterator[Result]:
    """The results of `map` in order, by a pool's threads, with at most `ahead` in progress."""
    pending: deque[Future[Any]] = deque()
    for item in items:
        pending.append(pool.submit(function, item))
        if len(pending) >= ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
