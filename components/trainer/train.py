"""One training from its examples to its SavedModel."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from components.backbone.handle import load_backbone
from components.trainer.cache import Room
from components.trainer.checkpoint import Checkpoints, NoCheckpoints, remove_checkpoints
from components.trainer.embeddings import Feed, make_feeds
from components.trainer.history import Record, hyperparameters
from components.trainer.input_pipeline import Draws, draw_by, one_pass, train_batches
from components.trainer.loop import Loop, Row
from components.trainer.model import BiTClassifier, make_optimizer
from components.trainer.model_run import write_history, write_hyperparameters
from components.trainer.plan import Plan, make_plan
from components.trainer.settings import Job, TrainerSettings
from components.trainer.signatures import export
from components.trainer.strategy import Workers, make_strategy, spread, sum_of_workers, worker
from components.trainer.train_step import Steps
from components.trainer.warm_start import start_from

MEGABYTE = 1_000_000

READ_EVERY = 16
"""Steps on a GPU whose losses are read at once."""


def train(job: Job, workers: Workers | None = None) -> list[Row]:
    """Fine-tunes the backbone, exports the classifier, and leaves its history.

    Args:
      job: what to train.
      workers: with which this process has joined (`join_workers`); of them the chief alone leaves
        something.

    Raises:
      UserError: the backbone cannot be trained as configured, the base model does not fit, the
        batch cannot be shared out to the devices, or a loss is not finite (`DivergedError`).
    """
    settings, training = job.settings, job.settings.training
    plan = make_plan(training, settings.num_train)
    strategy = make_strategy(training, workers)
    graph = tft.TFTransformOutput(job.transform_graph)
    with (
        strategy.scope(),
        Room(training.cache, training.cache_limit_mb * MEGABYTE) as room,
    ):
        model = make_model(settings, job.base_model)
        feeds = make_feeds(job, plan, model, graph, room)
        index, _ = worker()
        record = Record(job.model_run if index == 0 else None, plan.epochs)
        rows = Fit(settings, plan.mixup, model, feeds).run(plan, record.tell, job.own_checkpoints)
        record.close()
    if index > 0:
        return rows
    write_history(rows, job.model_run)
    # Altair takes a second to import, and most processes that know this module draw nothing.
    from components.trainer.curves import write_curves

    write_curves(rows, job.model_run)
    write_hyperparameters(hyperparameters(job, plan), job.model_run)
    model.backbone.compute_in_float32()
    export(model, graph, settings.class_names, job.serving_model)
    remove_checkpoints(job.own_checkpoints)
    return rows


def make_model(settings: TrainerSettings, base_model: str | None = None) -> BiTClassifier:
    """The backbone under a new head, in the scope of a strategy.

    Args:
      settings: backbone, mode and classes.
      base_model: folder of an earlier model, whose weights both then have; None for none.

    Raises:
      UserError: the backbone cannot be trained as configured, or the base model does not fit.
    """
    draw_by(settings.training.seed)
    # Its variables are made when it is loaded.
    backbone = load_backbone(
        settings.backbone_path,
        settings.mode,
        settings.training.precision,
        settings.trainable_parameters,
    )
    model = BiTClassifier(backbone, len(settings.class_names))
    if base_model is not None:
        start_from(model, base_model)
    return model


class Fit:
    """A model with its input and its traced steps, in the scope of a strategy.

    It can be run again for another plan: tracing a large network takes longer than a short
    training, and TensorFlow never frees all of what was traced.

    Attributes:
      changed: variables of the model that a run changes.
      optimizer: built, with variables of its own that a run changes.
    """

    def __init__(
        self,
        settings: TrainerSettings,
        mixup: float,
        model: BiTClassifier,
        feeds: tuple[Feed, Feed],
    ):
        """Makes the steps.

        Args:
          settings: classes, mode and `training`, but for what a plan says.
          mixup: of the plans.
          model: what is trained.
          feeds: what is learned, and what is looked at after every epoch.
        """
        training = settings.training
        self._training = training
        self._model = model
        self._learned, self._looked_at = feeds
        frozen = settings.mode == "head_only"
        self.changed = model.head_variables if frozen else model.all_variables
        self.optimizer = make_optimizer(training.precision)
        self.optimizer.build(model.trained)
        self._steps = Steps(
            self._learned.forward,
            self._looked_at.forward,
            model.trained,
            self.optimizer,
            training,
            model.penalty,
            [each for each in self.changed if each.aggregation == tf.VariableAggregation.MEAN],
        )
        self._draws = Draws(
            batch_size=training.batch_size,
            shuffle_buffer=training.shuffle_buffer,
            seed=training.seed,
            sizes=self._learned.sizes,
            mixup=mixup,
            num_classes=len(settings.class_names),
            worker=worker(),
        )
        self._num_eval = settings.num_eval
        self._batches = functools.cache(self._make_batches)
        self._evaluation = spread(one_pass(self._looked_at.split, training.batch_size))

    def run(
        self, plan: Plan, tell: Callable[[Row], None], checkpoints_folder: str | None = None
    ) -> list[Row]:
        """Trains the model as it is.

        Args:
          plan: how long, at which rates, when to stop.
          tell: is given every epoch's row; what it raises ends the training.
          checkpoints_folder: to go on from and to write; None does neither.

        Returns:
          The rows, as `Loop.run` does.

        Raises:
          DivergedError: a loss is not finite.
        """
        training, set_rate = self._training, self.optimizer.learning_rate.assign
        # A CPU has done a step when the call returns; a GPU must not wait for its next one.
        read_every = READ_EVERY if tf.config.list_logical_devices("GPU") else 1
        loop = Loop(
            plan,
            training,
            self._steps.train,
            self._evaluate,
            set_rate,
            self.changed,
            read_every,
            self._steps.overflows,
        )
        checkpoints: Checkpoints | NoCheckpoints = NoCheckpoints()
        if checkpoints_folder is not None:
            chief = self._draws.worker[0] == 0
            every_s = training.checkpoint_seconds if chief else math.inf
            checkpoints = Checkpoints(
                checkpoints_folder, every_s, self.changed, loop.best, self.optimizer
            )
        return loop.run(lambda step: iter(self._batches(step)), checkpoints, tell)

    def _make_batches(self, step: int) -> tf.data.Dataset | tf.distribute.DistributedDataset:
        device_batch = (
            self._training.batch_size // tf.distribute.get_strategy().num_replicas_in_sync
        )
        return spread(train_batches(self._learned.split, self._draws, step), device_batch)

    def _evaluate(self) -> tuple[float, float]:
        self._steps.average()
        results = [self._steps.evaluate(*batch) for batch in self._evaluation]
        sums = np.sum(np.asarray(results, np.float64).reshape(-1, 2), axis=0)
        loss, right = sum_of_workers(sums) / self._num_eval
        return float(loss) + float(self._steps.penalty()), float(right)
