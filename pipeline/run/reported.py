"""Does a step's work, and reports as events that it began and how it ended.

>>> import io
>>> import logging
>>> from components.progress import LOGGER, EventHandler, read_events
>>> pipe, level = io.StringIO(), LOGGER.level
>>> handler = EventHandler(pipe)
>>> LOGGER.addHandler(handler)
>>> LOGGER.setLevel(logging.INFO)
>>> run_reported("Trainer", lambda: "complete")
>>> LOGGER.removeHandler(handler)
>>> LOGGER.setLevel(level)
>>> [event["state"] for event in read_events(io.StringIO(pipe.getvalue()))]
['running', 'complete']
"""

from __future__ import annotations

import time
from collections.abc import Callable

from components.errors import UserError
from components.progress import report_step
from pipeline.run.error_line import one_line, without_place


def run_reported(name: str, work: Callable[[], str]) -> None:
    """Runs `work`, whose result is the step's state: `complete` or `cached`.

    Raises:
      Exception: what `work` raised.
    """
    report_step(name, "running")
    started = time.monotonic()
    try:
        state = work()
    except Exception as error:
        report_step(
            name,
            "failed",
            seconds=time.monotonic() - started,
            error=one_line(error),
            user_error=without_place(str(error)) if isinstance(error, UserError) else None,
        )
        raise
    report_step(name, state, seconds=time.monotonic() - started)
