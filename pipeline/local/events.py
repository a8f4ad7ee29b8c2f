"""What the worker tells its parent while it runs: one JSON object a line on a pipe."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from components.progress import EVENT


class EventHandler(logging.Handler):
    """Writes the events of `components.progress` to the pipe."""

    def __init__(self, stream: TextIO):
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """Logging's hook."""
        event = record.__dict__.get(EVENT)
        if event is not None:
            self._stream.write(json.dumps(event) + "\n")
            self._stream.flush()


class StepStates(logging.Handler):
    """Keeps how every step ended, for the report of a run that broke off."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: dict[str, dict[str, Any]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Logging's hook."""
        event = record.__dict__.get(EVENT) or {}
        if event.get("event") == "step" and event["state"] != "running":
            self.ended[event["id"]] = event


def read_events(stream: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Events until the worker closes its end; a last line that was cut off is dropped."""
    for line in stream:
        if line.endswith("\n"):
            yield json.loads(line)
