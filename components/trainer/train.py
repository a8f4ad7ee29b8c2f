"""One training, from its examples to its SavedModel.

The Trainer calls `train(job)`. A search makes a model and its inputs once, and runs several plans:

    >>> from components.backbone.config import SHIPPED
    >>> from components.trainer.cache import CachedSplit
    >>> from components.trainer.config import TrainingConfig
    >>> from components.trainer.input_pipeline import cached_split
    >>> from components.trainer.network_inputs import inputs_of
    >>> from components.transform.config import ImageSizes
    >>> training = TrainingConfig(batch_size=2, schedule={"steps": 4}, steps_per_epoch=2)
    >>> settings = TrainerSettings(
    ...     backbone_path=str(SHIPPED["bit-mini"]), backbone_sha256="", trainable_parameters=None,
    ...     mode="head_only", class_names=("black", "white"), num_train=4, num_eval=4,
    ...     sizes=ImageSizes(resize=32, evaluate=32, crop=None, flip=False), training=training,
    ... )
    >>> pixels = np.stack([np.full((32, 32, 3), level, np.float32) for level in (0, 1, 0, 1)])
    >>> split = cached_split(CachedSplit(pixels, np.array([0, 1, 0, 1])))
    >>> plan, model = make_plan(training, settings.num_train), make_model(settings)
    >>> with SplitCache("memory", limit_bytes=10 * MEGABYTE) as cache:
    ...     inputs = inputs_of(settings, plan, model, (split, split), cache)
    ...     rows = Fit(settings, plan.mixup, model, inputs).run(plan, on_epoch=lambda row: None)
    >>> [row["epoch"] for row in rows], rows[-1]["loss"] < rows[0]["loss"]
    ([1, 2], True)
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from components.backbone.handle import load_backbone
from components.trainer.cache import SplitCache
from components.trainer.calibration import calibrate
from components.trainer.checkpoint import Checkpoints, NoCheckpoints, remove_checkpoints
from components.trainer.class_weights import class_weights
from components.trainer.history import Record, hyperparameters
from components.trainer.input_pipeline import (
    Draws,
    label_counts,
    one_pass,
    seed_tensorflow,
    train_batches,
)
from components.trainer.loop import Loop, Row
from components.trainer.loss import TrainingLoss
from components.trainer.model import BiTClassifier, make_optimizer
from components.trainer.model_run import write_history, write_hyperparameters
from components.trainer.network_inputs import NetworkInputs, make_inputs
from components.trainer.plan import Plan, make_plan
from components.trainer.served_model import Answers, export
from components.trainer.settings import Job, TrainerSettings
from components.trainer.strategy import Workers, make_strategy, spread, sum_of_workers, worker
from components.trainer.train_step import Steps
from components.trainer.warm_start import start_from

MEGABYTE = 1_000_000

READ_EVERY = 16
"""Steps on a GPU after which their losses are read together."""


def train(job: Job, workers: Workers | None = None) -> list[Row]:
    """Fine-tunes the backbone, exports the classifier, and writes the history.

    Args:
      job: what to train.
      workers: from `join_workers`, if this process has joined; only the chief writes files.

    Returns:
      The rows of `Loop.run`.

    Raises:
      UserError: the backbone cannot be trained as configured, the base model does not fit, the
        batch cannot be divided among the devices, or a loss is not finite (`DivergedError`).
    """
    settings, training = job.settings, job.settings.training
    plan = make_plan(training, settings.num_train)
    strategy = make_strategy(training, workers)
    graph = tft.TFTransformOutput(job.transform_graph)
    with (
        strategy.scope(),
        SplitCache(training.cache, training.cache_limit_mb * MEGABYTE) as cache,
    ):
        model = make_model(settings, job.base_model)
        inputs = make_inputs(job, plan, model, graph, cache)
        index, _ = worker()
        record = Record(job.model_run if index == 0 else None, plan.epochs)
        fit = Fit(settings, plan.mixup, model, inputs)
        rows = fit.run(plan, record.tell, job.own_checkpoints)
        record.close()
        if index > 0:
            return rows
        calibration = calibrate(*fit.answers()) if training.calibration == "temperature" else None
    write_history(rows, job.model_run)
    # Altair takes a second to import, and most processes that import this module draw nothing.
    from components.trainer.curves import write_curves

    write_curves(rows, job.model_run)
    values = hyperparameters(job, plan, calibration, fit.class_weights)
    write_hyperparameters(values, job.model_run)
    model.backbone.compute_in_float32()
    temperature = calibration.temperature if calibration else 1.0
    answers = Answers(settings.class_names, temperature, settings.min_confidence)
    export(model, graph, answers, job.serving_model, settings.bounds)
    remove_checkpoints(job.own_checkpoints)
    return rows


def make_model(settings: TrainerSettings, base_model: str | None = None) -> BiTClassifier:
    """The backbone under a new head, in the scope of a strategy.

    Args:
      settings: backbone, mode and classes.
      base_model: folder of an earlier model, whose weights it starts with; None for none.

    Raises:
      UserError: the backbone cannot be trained as configured, or the base model does not fit.
    """
    seed_tensorflow(settings.training.seed)
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
    """A model with its inputs and its traced steps, in the scope of a strategy.

    It can be run several times, with different plans: tracing a large network takes longer than a
    short training, and TensorFlow never frees all of a traced function.

    Attributes:
      changed: variables of the model that a run changes.
      optimizer: built; a run changes its variables too.
      class_weights: of the training loss, by class index; None if all count alike.
    """

    def __init__(
        self,
        settings: TrainerSettings,
        mixup: float,
        model: BiTClassifier,
        inputs: tuple[NetworkInputs, NetworkInputs],
    ):
        """Makes the steps.

        Args:
          settings: classes, mode and `training`; a plan replaces its schedule and stopping.
          mixup: alpha of MixUp, the same in all plans.
          model: the model to train.
          inputs: from the train split and from the eval split.
        """
        training = settings.training
        self._training = training
        self._model = model
        self._train_inputs, self._eval_inputs = inputs
        frozen = settings.mode == "head_only"
        self.changed = model.head_variables if frozen else model.all_variables
        self.optimizer = make_optimizer(training.precision, training.clip_norm)
        self.optimizer.build(model.trained)
        names, split = settings.class_names, self._train_inputs.split
        self.class_weights = class_weights(
            training.class_weights, names, lambda: label_counts(split, len(names)).tolist()
        )
        self._steps = Steps(
            self._train_inputs.forward,
            self._eval_inputs.forward,
            model.trained,
            self.optimizer,
            training,
            model.penalty,
            [each for each in self.changed if each.aggregation == tf.VariableAggregation.MEAN],
            TrainingLoss(self.class_weights, training.label_smoothing),
        )
        self._draws = Draws(
            batch_size=training.batch_size,
            shuffle_buffer=training.shuffle_buffer,
            seed=training.seed,
            sizes=self._train_inputs.sizes,
            mixup=mixup,
            num_classes=len(names),
            augmentation=training.augmentation,
            worker=worker(),
        )
        self._num_eval = settings.num_eval
        self._batches = functools.cache(self._make_batches)
        self._evaluation = spread(one_pass(self._eval_inputs.split, training.batch_size))

    def run(
        self, plan: Plan, on_epoch: Callable[[Row], None], checkpoints_folder: str | None = None
    ) -> list[Row]:
        """Trains the model from its current weights.

        Args:
          plan: how long to train, at which rates, when to stop.
          on_epoch: is called with every epoch's row; an exception from it ends the training.
          checkpoints_folder: to resume from and to write to; None does neither.

        Returns:
          The rows of `Loop.run`.

        Raises:
          DivergedError: a loss is not finite.
        """
        training, set_rate = self._training, self.optimizer.learning_rate.assign
        # A CPU has finished a step when the call returns; a GPU should not wait for the next one.
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
        return loop.run(lambda step: iter(self._batches(step)), checkpoints, on_epoch)

    def answers(self) -> tuple[np.ndarray, np.ndarray]:
        """Logits float32 [N, C] and labels int64 [N] of the eval split, of this worker's part."""
        forward = tf.function(lambda inputs: self._eval_inputs.forward(inputs, False))
        batches = one_pass(self._eval_inputs.split, self._training.batch_size)
        found = [(forward(inputs).numpy(), labels.numpy()) for inputs, labels in batches]
        return tuple(np.concatenate(each) for each in zip(*found, strict=True))

    def _make_batches(self, step: int) -> tf.data.Dataset | tf.distribute.DistributedDataset:
        device_batch = (
            self._training.batch_size // tf.distribute.get_strategy().num_replicas_in_sync
        )
        return spread(train_batches(self._train_inputs.split, self._draws, step), device_batch)

    def _evaluate(self) -> tuple[float, float]:
        self._steps.average()
        results = [self._steps.evaluate(*batch) for batch in self._evaluation]
        sums = np.sum(np.asarray(results, np.float64).reshape(-1, 2), axis=0)
        loss, right = sum_of_workers(sums) / self._num_eval
        return float(loss) + float(self._steps.penalty()), float(right)
