"""One training from its examples to its SavedModel."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from components.trainer.backbone import load_backbone
from components.trainer.checkpoint import Checkpoints, remove_checkpoints
from components.trainer.curves import write_curves
from components.trainer.feed import Feed, make_feeds
from components.trainer.input_pipeline import Draws, one_pass, train_batches
from components.trainer.kept import Room
from components.trainer.loop import Loop, Row
from components.trainer.model import BiTClassifier, make_optimizer
from components.trainer.plan import Plan, make_plan
from components.trainer.record import Record, write_history
from components.trainer.settings import Job
from components.trainer.signatures import export
from components.trainer.steps import Steps
from components.trainer.strategy import Workers, make_strategy, spread, sum_of_workers, worker

_MEGABYTE = 1_000_000


def train(job: Job, workers: Workers | None = None) -> list[Row]:
    """Fine-tunes the backbone, exports the classifier, and leaves its history.

    Args:
      job: what to train.
      workers: with which this process has joined (`join_workers`); of them the chief alone leaves
        something.

    Raises:
      UserError: the backbone cannot be trained as configured, or the batch cannot be shared out to
        the devices.
    """
    settings, training = job.settings, job.settings.training
    plan = make_plan(training, settings.num_train)
    strategy = make_strategy(training, workers)
    # Not 0, which tf.data cannot tell from none when it has a seed of its own.
    tf.random.set_seed(training.seed + 1)
    graph = tft.TFTransformOutput(job.transform_graph)
    with (
        strategy.scope(),
        Room(training.cache, training.cache_limit_mb * _MEGABYTE) as room,
    ):
        # The backbone too: its variables are made when it is loaded.
        backbone = load_backbone(
            settings.backbone_path,
            settings.mode,
            training.precision,
            settings.trainable_parameters,
        )
        model = BiTClassifier(backbone, len(settings.class_names))
        feeds = make_feeds(job, plan, model, graph, room)
        rows = fit(job, plan, model, *feeds)
        index, _ = worker()
    if index > 0:
        return rows
    write_history(rows, job.model_run)
    write_curves(rows, job.model_run)
    backbone.compute_in_float32()
    export(model, graph, settings.class_names, job.serving_model)
    remove_checkpoints(job.own_checkpoints)
    return rows


def fit(job: Job, plan: Plan, model: BiTClassifier, learned: Feed, looked_at: Feed) -> list[Row]:
    """Trains the model on one feed and looks at it by the other (`Loop.run` tells the rows).

    In the scope of the strategy.
    """
    training = job.settings.training
    strategy = tf.distribute.get_strategy()
    optimizer = make_optimizer(training.precision)
    optimizer.build(model.trained)
    steps = Steps(
        learned.forward,
        looked_at.forward,
        model.trained,
        optimizer,
        training,
        strategy.num_replicas_in_sync,
    )
    draws = Draws(
        batch_size=training.batch_size,
        shuffle_buffer=training.shuffle_buffer,
        seed=training.seed,
        sizes=learned.sizes,
        mixup=plan.mixup,
        num_classes=len(job.settings.class_names),
        worker=worker(),
    )
    device_batch = training.batch_size // strategy.num_replicas_in_sync
    evaluation = spread(one_pass(looked_at.split, training.batch_size))

    def evaluate() -> tuple[float, float]:
        results = [steps.evaluate(*batch) for batch in evaluation]
        sums = np.sum(np.asarray(results, np.float64).reshape(-1, 2), axis=0)
        loss, right = sum_of_workers(sums) / job.settings.num_eval
        return float(loss), float(right)

    loop = Loop(
        plan, training.batch_size, steps.train, evaluate, optimizer.learning_rate.assign,
        model.trained,
    )  # fmt: skip
    changed = model.head_variables if job.settings.mode == "head_only" else model.all_variables
    chief = draws.worker[0] == 0
    every_s = training.checkpoint_seconds if chief else math.inf
    checkpoints = Checkpoints(job.own_checkpoints, every_s, changed, loop.best, optimizer)
    record = Record(job.model_run if chief else None, plan.epochs)
    rows = loop.run(
        lambda step: iter(spread(train_batches(learned.split, draws, step), device_batch)),
        checkpoints,
        record.tell,
    )
    record.close()
    return rows
