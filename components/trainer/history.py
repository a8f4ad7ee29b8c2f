"""What a training leaves besides its model: history, curves, TensorBoard's logs.

>>> import tempfile
>>> row = {"epoch": 1, "learning_rate": 0.003, "waiting": 0.1, "loss": 0.7, "accuracy": 0.6}
>>> with tempfile.TemporaryDirectory() as folder:
...     record = Record(folder, epochs=10)
...     record.tell({**row, "val_loss": 0.6, "val_accuracy": 0.7})
...     record.close()
...     sorted(os.listdir(folder))
['train', 'validation']
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import tensorflow as tf

from components import progress
from components.trainer.calibration import Calibration
from components.trainer.plan import Plan
from components.trainer.settings import Job

_METRICS = ("loss", "accuracy")


class Record:
    """Reports every epoch and writes it for TensorBoard: `train` and `validation` in the folder."""

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


def _writer(folder: str | None, name: str) -> tf.summary.SummaryWriter:
    if folder is None:
        return tf.summary.create_noop_writer()
    return tf.summary.create_file_writer(os.path.join(folder, name))


def hyperparameters(
    job: Job,
    plan: Plan,
    calibration: Calibration | None,
    class_weights: Sequence[float] | None = None,
) -> dict[str, Any]:
    """What was trained with, what a search chose included, by key.

    `mode`, `training` with every key of that section, `plan`, which follows from it,
    `base_model`, the folder of the model that it started from, None for the backbone alone,
    `sizes` of the images, `class_weights` by class, None where all count alike, and `calibration`,
    None without one.
    """
    return {
        "mode": job.settings.mode,
        "training": job.settings.training.model_dump(mode="json"),
        "plan": asdict(plan),
        "base_model": job.base_model,
        "sizes": job.settings.sizes.model_dump(mode="json"),
        "class_weights": class_weights
        and dict(zip(job.settings.class_names, class_weights, strict=True)),
        "calibration": asdict(calibration) if calibration else None,
    }
