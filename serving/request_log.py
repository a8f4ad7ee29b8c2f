"""The request log: a row an image in Parquet files, written by a thread that no request waits for.

>>> import tempfile
>>> from pathlib import Path
>>> answers = Answers.of({"probabilities": [[0.25, 0.75]], "class_index": [1], "valid": [True],
...                       "class_name": [b"tulip"], "error": [b""]}, version=7)
>>> with tempfile.TemporaryDirectory() as name:
...     log = RequestLog(LogSettings(Path(name)))
...     log.add(answers, [b"GIF89a"], latency_s=0.004)
...     log.close()
...     (file,) = Path(name).glob("*.parquet")
...     (row,) = pq.read_table(file).to_pylist()
>>> row["version"], row["class_name"], row["probability"], row["latency_ms"], row["image"]
(7, 'tulip', 0.75, 4.0, None)
"""

from __future__ import annotations

import datetime
import logging
import os
import queue
import random
import threading
import time
import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.durable import make_folder, remove_dead_files, rename, unfinished_file
from components.storage import try_writing
from serving.answers import Answers
from serving.settings import LogSettings

SCHEMA = pa.schema(
    [
        ("time", pa.timestamp("us", "UTC")),
        ("request", pa.string()),
        ("row", pa.int32()),
        ("version", pa.int64()),
        ("valid", pa.bool_()),
        ("class_index", pa.int64()),
        ("class_name", pa.string()),
        ("probability", pa.float32()),
        ("latency_ms", pa.float32()),
        ("error", pa.string()),
        ("image_bytes", pa.int64()),
        ("image", pa.binary()),
    ]
)
"""Columns. A bad image has no class and no probability; `image` is empty unless it is asked for."""

_MAX_WAITING = 10_000
"""Requests that wait for the disk; what comes then is not logged, and counted."""
_MAX_IMAGE_BYTES = 256_000_000
"""Of a file's images: they are in memory until it is written."""

_logger = logging.getLogger(__name__)


class RequestLog:
    """Logs a share of the requests; a disk that fails costs log rows, and never an answer.

    A file has its name when it is whole: readers see no half of one. What is younger than
    `max_age_s` is lost by kill -9.
    """

    def __init__(self, settings: LogSettings, random_number: Any = random.random):
        self._settings = settings
        self._random = random_number
        self._waiting: queue.Queue[list[dict[str, Any]] | None] = queue.Queue(_MAX_WAITING)
        self.lost = 0
        """Requests that were drawn and not logged, because the disk was too slow or failed."""
        make_folder(settings.folder)
        remove_dead_files(settings.folder)
        self._thread = threading.Thread(target=self._work, name="request log", daemon=True)
        self._thread.start()

    def add(self, answers: Answers, images: Sequence[bytes], latency_s: float) -> None:
        """Logs a request, or not, by the sample; returns at once.

        Args:
          answers: one row an image.
          images: as they were sent.
          latency_s: from the request's arrival to its answer.
        """
        if self._random() >= self._settings.sample:
            return
        try:
            self._waiting.put_nowait(self._rows(answers, images, latency_s))
        except queue.Full:
            self._lose(1)

    def _rows(
        self, answers: Answers, images: Sequence[bytes], latency_s: float
    ) -> list[dict[str, Any]]:
        now = datetime.datetime.now(datetime.timezone.utc)
        request = uuid.uuid4().hex
        rows = []
        for row, image in enumerate(images):
            valid = bool(answers.valid[row])
            rows.append(
                {
                    "time": now,
                    "request": request,
                    "row": row,
                    "version": answers.version,
                    "valid": valid,
                    "class_index": int(answers.class_index[row]) if valid else None,
                    "class_name": answers.class_name[row] if valid else None,
                    "probability": float(np.max(answers.probabilities[row])) if valid else None,
                    "latency_ms": 1e3 * latency_s,
                    "error": answers.error[row] or None,
                    "image_bytes": len(image),
                    "image": image if self._settings.images else None,
                }
            )
        return rows

    def close(self) -> None:
        """Returns when all that was added is on the disk."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        rows: list[dict[str, Any]] = []
        requests, size, deadline = 0, 0, 0.0
        while True:
            left = max(deadline - time.monotonic(), 0) if rows else None
            try:
                added = self._waiting.get(timeout=left)
            except queue.Empty:
                added = []
            if added:
                deadline = deadline if rows else time.monotonic() + self._settings.max_age_s
                rows += added
                requests += 1
                size += sum(len(row["image"] or b"") for row in added)
            full = len(rows) >= self._settings.max_rows or size >= _MAX_IMAGE_BYTES
            if rows and (added is None or full or time.monotonic() >= deadline):
                try:
                    self._write(rows)
                except (OSError, pa.ArrowException) as error:
                    _logger.error(
                        "the request log in %s cannot be written: %s", self._settings.folder, error
                    )
                    self._lose(requests)
                rows, requests, size = [], 0, 0
            if added is None:
                return

    def _write(self, rows: list[dict[str, Any]]) -> None:
        begun = rows[0]["time"].strftime("%Y%m%dT%H%M%S%f")
        target = self._settings.folder / f"requests-{begun}-{uuid.uuid4().hex[:8]}.parquet"
        make_folder(target.parent)
        with unfinished_file(target) as (unfinished, descriptor):
            with open(descriptor, "wb", closefd=False) as stream:
                pq.write_table(pa.Table.from_pylist(rows, SCHEMA), stream)
            os.fsync(descriptor)
            rename(unfinished, target)

    def _lose(self, requests: int) -> None:
        self.lost += requests
        _logger.warning("%d requests could not be logged so far", self.lost)


def cannot_write(settings: LogSettings) -> str:
    """Why a log cannot be written there; "" where it can."""
    try:
        try_writing(settings.folder)
    except OSError as error:
        return error.strerror or str(error)
    return ""
