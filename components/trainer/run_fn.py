"""The Trainer's run_fn: the seed's training, on what Transform and ExampleGen made."""

from __future__ import annotations

import csv
import json
import logging
import os
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras

from components import progress
from components.finite import finite
from components.trainer.backbone import load_backbone
from components.trainer.config import ExplicitSchedule, TrainingConfig
from components.trainer.input_pipeline import eval_dataset, train_dataset
from components.trainer.model import BiTClassifier, compile_model
from components.trainer.schedule import Schedule, scaled_rate, seed_schedule
from components.trainer.settings import TrainerSettings
from components.trainer.signatures import export
from components.trainer.strategy import make_strategy, sharded_by_data

_logger = logging.getLogger(__name__)


def run_fn(fn_args: Any) -> None:
    """Fine-tunes the backbone and exports the classifier (called by TFX's GenericExecutor).

    Args:
      fn_args: tfx.components.trainer.fn_args_utils.FnArgs; `custom_config["settings"]` is a
        `TrainerSettings` as JSON.

    Raises:
      UserError: the backbone should be trained and has nothing to train, or the batch cannot be
        shared out to the devices.
    """
    settings = TrainerSettings.model_validate_json(fn_args.custom_config["settings"])
    training = settings.training
    strategy = make_strategy(training.strategy, training.batch_size)
    keras.utils.set_random_seed(training.seed)
    graph = tft.TFTransformOutput(fn_args.transform_output)
    train = train_dataset(
        _files(fn_args.train_files),
        graph,
        settings.preprocessing,
        training.batch_size,
        training.shuffle_buffer,
        training.seed,
    )
    validation = eval_dataset(_files(fn_args.eval_files), graph, training.batch_size)

    schedule = make_schedule(training)
    with strategy.scope():
        # The backbone too: its variables are made when it is loaded.
        backbone = load_backbone(settings.backbone_path, settings.mode)
        model = BiTClassifier(backbone, len(settings.class_names))
        compile_model(model, schedule)
    history = fit(model, sharded_by_data(train), sharded_by_data(validation), training, schedule)
    write_history(history, fn_args.model_run_dir)
    export(model, graph, settings.class_names, fn_args.serving_model_dir)


def make_schedule(training: TrainingConfig) -> Schedule:
    """The schedule that the configuration names."""
    if isinstance(training.schedule, ExplicitSchedule):
        rate = scaled_rate(training.base_learning_rate, training.batch_size)
        return Schedule(rate, training.schedule.steps, training.schedule.boundaries)
    return seed_schedule(training.base_learning_rate, training.batch_size)


def fit(
    model: keras.Model,
    train: tf.data.Dataset,
    validation: tf.data.Dataset,
    training: TrainingConfig,
    schedule: Schedule,
) -> list[dict[str, float]]:
    """Trains until schedule or `epochs` end, or val_accuracy stops rising; keeps the best weights.

    Returns:
      One row an epoch: `epoch` (from 1), `learning_rate`, `accuracy`, `loss`, `val_accuracy`,
      `val_loss`, and `restored`, 1 for the epoch whose weights the model has now.
    """
    stopping = keras.callbacks.EarlyStopping(
        monitor="val_accuracy",
        mode="max",
        patience=training.early_stopping_patience,
        restore_best_weights=True,
    )
    epochs = schedule.epochs(training.steps_per_epoch)
    if training.epochs is not None:
        epochs = min(epochs, training.epochs)
    fitted = model.fit(
        train,
        epochs=epochs,
        steps_per_epoch=training.steps_per_epoch,
        validation_data=validation,
        callbacks=[stopping, _Progress(epochs)],
        verbose=0,
    )
    columns = fitted.history
    return [
        {
            "epoch": index + 1,
            "learning_rate": schedule.rate_at((index + 1) * training.steps_per_epoch - 1),
            **{name: float(columns[name][index]) for name in sorted(columns)},
            "restored": int(index == stopping.best_epoch),
        }
        for index in range(len(columns["loss"]))
    ]


def write_history(rows: list[dict[str, float]], folder: str) -> None:
    """Keeps the history in the model run: `history.csv` for people, `history.json` for programs.

    A loss that is not finite is null there.
    """
    tf.io.gfile.makedirs(folder)
    with tf.io.gfile.GFile(os.path.join(folder, "history.json"), "w") as stream:
        stream.write(json.dumps(finite(rows), indent=1, allow_nan=False))
    with tf.io.gfile.GFile(os.path.join(folder, "history.csv"), "w") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


class _Progress(keras.callbacks.Callback):
    """Reports every epoch."""

    def __init__(self, epochs: int):
        super().__init__()
        self._epochs = epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keras's hook."""
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        progress.report_epoch(epoch + 1, self._epochs, metrics)


def _files(patterns: list[str]) -> list[str]:
    return [file for pattern in patterns for file in tf.io.gfile.glob(pattern)]
