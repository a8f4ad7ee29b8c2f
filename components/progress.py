"""What a run says of its progress: ordinary log records with a machine-readable part.

On Kubeflow they are lines in the pod's log; the local runner draws them.
"""

from __future__ import annotations

import logging
from typing import Any

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
