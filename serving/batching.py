"""Dynamic batches: what waits while the model is busy is asked for at once when it is free.

A lone request never waits. Under load, when the last batch was of several requests, a batch waits
a moment for others to join it. TensorFlow's own `batch_function` would keep a thread for each
waiting request, and all requests of a version that is to be released.

>>> async def both():
...     batcher = Batcher(lambda rows: [row * 2 for row in rows], max_rows=8)
...     return await asyncio.gather(batcher.ask([1, 2]), batcher.ask([3]))
>>> asyncio.run(both())
[[2, 4], [6]]
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any


class QueueFullError(Exception):
    """So much waits already that a further request would wait too long."""


@dataclass(frozen=True)
class _Asked:
    rows: Sequence[Any]
    answer: asyncio.Future[Any]


class Batcher:
    """Asks a function for the rows of several requests at once, in a thread of its own.

    Args:
      run: takes a list of rows, and returns a sequence with an answer a row.
      max_rows: of a batch; a larger request is a batch of its own.
      max_wait_s: seconds that a batch waits for others, under load.
      max_queue: rows that may wait.
      seen: called with the number of rows of each batch.
    """

    def __init__(
        self,
        run: Callable[[list[Any]], Any],
        max_rows: int,
        max_wait_s: float = 0.002,
        max_queue: int = 1_024,
        seen: Callable[[int], object] = lambda _: None,
    ):
        self._run = run
        self._max_rows = max_rows
        self._max_wait_s = max_wait_s
        self._max_queue = max_queue
        self._seen = seen
        self._waiting: deque[_Asked] = deque()
        self._rows = 0
        self._changed: asyncio.Event | None = None
        self._worker: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "model")

    @property
    def waiting(self) -> int:
        """Rows that wait now."""
        return self._rows

    async def ask(self, rows: Sequence[Any]) -> Any:
        """The part of a batch's answers that belongs to these rows.

        Raises:
          QueueFullError: at once.
          Exception: what the function raised.
        """
        if self._rows + len(rows) > self._max_queue:
            raise QueueFullError(f"{self._rows} images wait already")
        if self._worker is None:
            # Not before: events and tasks belong to the loop that the server runs.
            self._changed = asyncio.Event()
            self._worker = asyncio.create_task(self._work(self._changed))
        assert self._changed is not None
        asked = _Asked(rows, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        self._rows += len(rows)
        self._changed.set()
        return await asked.answer

    async def _work(self, changed: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        busy = False
        while True:
            await changed.wait()
            if busy and self._rows < self._max_rows:
                await self._for_others(changed)
            batch = self._taken()
            if self._waiting:
                changed.set()
            else:
                changed.clear()
            busy = len(batch) > 1
            rows = [row for asked in batch for row in asked.rows]
            if not rows:
                continue
            try:
                self._seen(len(rows))
                answers = await loop.run_in_executor(self._thread, self._run, rows)
                start = 0
                for asked in batch:
                    _settle(asked.answer, answers[start : start + len(asked.rows)])
                    start += len(asked.rows)
            # The worker outlives it: those who wait next are not to wait for ever.
            except Exception as error:
                for asked in batch:
                    _settle(asked.answer, error)

    async def _for_others(self, changed: asyncio.Event) -> None:
        deadline = asyncio.get_running_loop().time() + self._max_wait_s
        while self._rows < self._max_rows:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return
            changed.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(changed.wait(), left)

    def _taken(self) -> list[_Asked]:
        """The next batch, without requests whose client has gone."""
        batch: list[_Asked] = []
        rows = 0
        while self._waiting:
            if batch and rows + len(self._waiting[0].rows) > self._max_rows:
                break
            asked = self._waiting.popleft()
            self._rows -= len(asked.rows)
            if not asked.answer.done():
                batch.append(asked)
                rows += len(asked.rows)
        return batch


def _settle(answer: asyncio.Future[Any], result: Any) -> None:
    if answer.done():
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
