"""Reports the progress of a run as log records with a machine-readable part.

On Kubeflow they are lines in the pod's log; the local runner draws them.

    >>> import io
    >>> pipe, level = io.StringIO(), LOGGER.level
    >>> handler = EventHandler(pipe)
    >>> LOGGER.addHandler(handler)
    >>> LOGGER.setLevel(logging.INFO)
    >>> report_epoch(1, 10, {"loss": 0.25})
    >>> LOGGER.removeHandler(handler)
    >>> LOGGER.setLevel(level)
    >>> [(event["event"], event["epoch"]) for event in read_events([pipe.getvalue()])]
    [('epoch', 1)]
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

LOGGER = logging.getLogger("bit.progress")
EVENT = "bit_event"
"""Attribute of a log record with its event: a dict of plain values, whose `event` is the kind."""


def report_epoch(epoch: int, epochs: int, metrics: dict[str, float], trial: str = "") -> None:
    """Reports a finished epoch.

    Args:
      epoch: its number, from 1.
      epochs: the largest number of epochs.
      metrics: value by name.
      trial: of a search, such as `3/10`; empty in the training itself.
    """
    numbers = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
    report(
        f"{f'trial {trial}, ' if trial else ''}epoch {epoch}/{epochs}: {numbers}",
        event="epoch",
        epoch=epoch,
        epochs=epochs,
        metrics=metrics,
        trial=trial,
    )


def report_step(step: str, state: str, **fields: Any) -> None:
    """Reports that a step is now running, complete, cached or failed."""
    report(f"{step}: {state}", event="step", id=step, state=state, **fields)


def report(message: str, **event: Any) -> None:
    """Logs `message` with an event."""
    LOGGER.info(message, extra={EVENT: event})


class EventHandler(logging.Handler):
    """Writes events to a pipe, as one JSON object per line."""

    def __init__(self, stream: TextIO):
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """Logging's hook."""
        event = record.__dict__.get(EVENT)
        if event is not None:
            self._stream.write(json.dumps(event) + "\n")
            self._stream.flush()


def read_events(stream: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Reads events until the writer closes its end; an incomplete last line is dropped."""
    for line in stream:
        if line.endswith("\n"):
            yield json.loads(line)
