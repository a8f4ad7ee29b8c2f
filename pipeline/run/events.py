"""How the steps of a run ended, by what it says of its progress."""

from __future__ import annotations

import logging
from typing import Any

from components.progress import EVENT


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
