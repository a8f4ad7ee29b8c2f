"""What a run says of its progress: ordinary log records with a machine-readable part.

On Kubeflow they are lines in the pod's log; the local runner draws them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

LOGGER = logging.getLogger("bit.progress")
EVENT = "bit_event"
"""Attribute of a log record that holds the event: a dict of plain values with `event`, its kind."""


def report_epoch(epoch: int, epochs: int, metrics: dict[str, float], trial: str = "") -> None:
    """Says that `epoch` of at most `epochs` is over, counted from 1.

    Args:
      epoch: its number.
      epochs: how many there are at most.
      metrics: by name.
      trial: of a search, `3/10`; empty where this is the training.
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
    """Says that a step is now running, complete, cached or failed."""
    report(f"{step}: {state}", event="step", id=step, state=state, **fields)


def report(message: str, **event: Any) -> None:
    """Logs `message` with its event."""
    LOGGER.info(message, extra={EVENT: event})


class EventHandler(logging.Handler):
    """Writes events to a pipe, one JSON object a line."""

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
    """Events until the writer closes its end; a last line that was cut off is dropped."""
    for line in stream:
        if line.endswith("\n"):
            yield json.loads(line)
