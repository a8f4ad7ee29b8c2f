"""The files that a training leaves in its model run, and that the Pusher and the Report read.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     write_history([{"epoch": 1, "loss": float("nan")}], folder)
...     read_history(folder), read_hyperparameters(folder)
([{'epoch': 1, 'loss': None}], {})
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from components.finite import read_json, write_json
from components.storage import as_path, write_whole

_HISTORY, _TABLE, _HYPERPARAMETERS = "history.json", "history.csv", "hyperparameters.json"


def write_history(rows: Sequence[Mapping[str, Any]], folder: str) -> None:
    """Writes `history.csv` for people, and `history.json`, in which a loss may be null.

    Args:
      rows: of every epoch (`components.trainer.loop.Loop.run`).
      folder: of the ModelRun artifact.
    """
    write_json(as_path(folder) / _HISTORY, rows)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write_whole(as_path(folder) / _TABLE, stream.getvalue())


def read_history(folder: str) -> list[dict[str, Any]]:
    """The inverse of `write_history`."""
    return list(read_json(as_path(folder) / _HISTORY))


def write_hyperparameters(values: Mapping[str, Any], folder: str) -> None:
    """Writes `components.trainer.history.hyperparameters`."""
    write_json(as_path(folder) / _HYPERPARAMETERS, values)


def read_hyperparameters(folder: str) -> dict[str, Any]:
    """The inverse of `write_hyperparameters`; {} of a training that left none."""
    path = as_path(folder) / _HYPERPARAMETERS
    return dict(read_json(path)) if path.exists() else {}
