"""What a training leaves besides its model: history, curves, TensorBoard's logs."""

from __future__ import annotations

import csv
import os
from dataclasses import asdict
from typing import Any

from components import progress
from components.finite import read_json, write_json
from components.storage import as_path
from components.trainer.plan import Plan
from components.trainer.settings import Job

_METRICS = ("loss", "accuracy")
_HISTORY, _HYPERPARAMETERS = "history.json", "hyperparameters.json"


class Record:
    """Tells every epoch, and writes it for TensorBoard: `train` and `validation` in the folder."""

    def __init__(self, folder: str | None, epochs: int):
        """Begins the logs.

        Args:
          folder: the model run's; None writes nothing.
          epochs: at most.
        """
        self._epochs = epochs
        self._train = _writer(folder, "train")
        self._validation = _writer(folder, "validation")

    def tell(self, row: dict[str, Any]) -> None:
        """Takes the row of one epoch (`components.trainer.loop.Loop.run`)."""
        import tensorflow as tf

        # By Keras's names, which dashboards know.
        with self._train.as_default(step=row["epoch"]):
            for name in _METRICS:
                tf.summary.scalar(f"epoch_{name}", row[name])
            tf.summary.scalar("epoch_learning_rate", row["learning_rate"])
            tf.summary.scalar("input_waiting", row["waiting"])
        with self._validation.as_default(step=row["epoch"]):
            for name in _METRICS:
                tf.summary.scalar(f"epoch_{name}", row[f"val_{name}"])
        self._train.flush()
        self._validation.flush()
        metrics = {key: row[key] for name in _METRICS for key in (name, f"val_{name}")}
        progress.report_epoch(row["epoch"], self._epochs, metrics)

    def close(self) -> None:
        """Ends the logs."""
        self._train.close()
        self._validation.close()


def _writer(folder: str | None, name: str) -> Any:
    # Not at the top: who reads the history needs no TensorFlow.
    import tensorflow as tf

    if folder is None:
        return tf.summary.create_noop_writer()
    return tf.summary.create_file_writer(os.path.join(folder, name))


def write_history(rows: list[dict[str, Any]], folder: str) -> None:
    """Writes the history into the model run: `history.csv` for people, `history.json` for programs.

    A loss that is not finite is null there.
    """
    write_json(as_path(folder) / _HISTORY, rows)
    with (as_path(folder) / "history.csv").open("w") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def read_history(folder: str) -> list[dict[str, Any]]:
    """The row of every epoch (`components.trainer.loop.Loop.run`)."""
    return list(read_json(as_path(folder) / _HISTORY))


def write_hyperparameters(job: Job, plan: Plan) -> None:
    """Writes what was trained with, what a search chose included: `hyperparameters.json`.

    Its keys are `mode`, `training` with every key of that section, `plan`, which follows from
    it, and `base_model`, the folder of the model that it started from; null for the backbone alone.
    """
    values = {
        "mode": job.settings.mode,
        "training": job.settings.training.model_dump(mode="json"),
        "plan": asdict(plan),
        "base_model": job.base_model,
    }
    write_json(as_path(job.model_run) / _HYPERPARAMETERS, values)


def read_hyperparameters(folder: str) -> dict[str, Any]:
    """The same by key; {} of a training that left none."""
    path = as_path(folder) / _HYPERPARAMETERS
    return dict(read_json(path)) if path.exists() else {}
