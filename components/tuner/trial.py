"""One trial: a short training by the Trainer's own code, on data that is read once for all.

The Tuner's executor runs a search with it:

    from components.tuner.study import search
    from components.tuner.trial import Trials

    with Trials(settings, files, transform_graph) as trials:
        found = search(settings.search, trials.run)
"""

from __future__ import annotations

import contextlib
import gc
import json
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components import progress
from components.trainer.cache import SplitCache
from components.trainer.diverged import DivergedError
from components.trainer.input_pipeline import Split, stored_split, subset_of
from components.trainer.loop import Row
from components.trainer.network_inputs import inputs_of
from components.trainer.plan import Plan, make_plan
from components.trainer.settings import TrainerSettings
from components.trainer.strategy import make_strategy
from components.trainer.train import MEGABYTE, Fit, make_model
from components.tuner.holdout import held_out_count, hold_out
from components.tuner.settings import TunerSettings
from components.tuner.study import Look, TrialFailedError

_OF_THE_PLAN = {
    *("base_learning_rate", "schedule", "steps_per_epoch", "epochs", "early_stopping_patience"),
    "mixup",
}
"""Keys of `training` that act through the plan alone."""
_NETWORKS = 4
"""That are in memory at once."""


class Trials:
    """The trainings of one search; a context manager.

    Decoded images, and the embeddings of a frozen backbone, are cached from trial to trial as far
    as `training.cache` has room; so are the last `_NETWORKS` networks with their traced steps.
    """

    def __init__(
        self,
        settings: TunerSettings,
        files: Sequence[str],
        transform_graph: str,
        base_model: str | None = None,
    ):
        """Divides the train split.

        Args:
          settings: what is trained, and the part that is held out.
          files: TFRecord files (gzip) of the train split.
          transform_graph: the Transform step's output.
          base_model: folder of the model that every trial starts from; None for the backbone.

        Raises:
          UserError: nothing would be held out, or too little would be left.
        """
        self._settings = settings
        self._base_model = base_model
        trainer, config = settings.trainer, settings.search
        count, training = trainer.num_train, trainer.training
        held_out = held_out_count(count, config.holdout, len(trainer.class_names))
        chosen = hold_out(count, held_out, config.seed)
        graph = tft.TFTransformOutput(transform_graph)
        self._splits: tuple[Split, Split] = (
            subset_of(stored_split(files, graph, count, training=True), ~chosen),
            subset_of(stored_split(files, graph, count, training=False), chosen),
        )
        self._made = 0
        self._stack = contextlib.ExitStack()
        self._room = SplitCache(training.cache, training.cache_limit_mb * MEGABYTE)
        self._begun: dict[str, _Begun] = {}

    def __enter__(self) -> Trials:
        self._stack.enter_context(self._room)
        folder = tempfile.TemporaryDirectory(prefix="bit-trials-")
        self._folder = Path(self._stack.enter_context(folder))
        return self

    def __exit__(self, *_: object) -> None:
        self._begun.clear()
        self._stack.close()
        # Traced functions and the variables that they hold are in reference cycles.
        gc.collect()

    def run(self, number: int, values: dict[str, Any], look: Look) -> tuple[float, float]:
        """Trains once (`components.tuner.study.Objective`).

        Raises:
          TrialPrunedError: `look` says so.
          TrialFailedError: a loss is not finite, or the memory is too small.
          UserError: the backbone cannot be trained as configured, the base model does not fit, or
            the batch cannot be shared out to the devices.
        """
        settings = self._settings.of_trial(values, self._splits[1].count)
        # The schedule of the Trainer, which learns from the images held out too.
        plan = make_plan(settings.training, settings.num_train)

        def tell(row: Row) -> None:
            self._report(number, plan, row)
            _judge(row, plan, look)

        try:
            with make_strategy(settings.training).scope():
                rows = self._fit(settings, plan).run(plan, tell)
        except DivergedError as error:
            raise TrialFailedError(f"the loss of epoch {error.epoch} is not finite") from error
        except tf.errors.ResourceExhaustedError as error:
            raise TrialFailedError("it needs more memory than there is") from error
        kept = next(row for row in rows if row["restored"])
        return kept["val_accuracy"], kept["val_loss"]

    def _fit(self, settings: TrainerSettings, plan: Plan) -> Fit:
        """A training that has not begun: a new one, or one whose variables are set back."""
        key = _traced(settings, plan)
        if key in self._begun:
            self._begun[key].restore()
        else:
            if len(self._begun) == _NETWORKS:
                self._begun.pop(next(iter(self._begun)))
                gc.collect()
            model = make_model(settings, self._base_model)
            feeds = inputs_of(settings, plan, model, self._splits, self._room)
            fit = Fit(settings, plan.mixup, model, feeds)
            self._made += 1
            self._begun[key] = _Begun(fit, str(self._folder / str(self._made)))
        return self._begun[key].fit

    def _report(self, number: int, plan: Plan, row: Row) -> None:
        names = ("loss", "val_loss", "accuracy", "val_accuracy")
        metrics = {name: row[name] for name in names}
        trials = self._settings.search.most_trials
        progress.report_epoch(row["epoch"], plan.epochs, metrics, trial=f"{number}/{trials}")


def _traced(settings: TrainerSettings, plan: Plan) -> str:
    """What trials must have in common to share a network with its traced steps."""
    training = settings.training.model_dump(mode="json", exclude=_OF_THE_PLAN)
    sizes = settings.sizes.model_dump(mode="json")
    return json.dumps([settings.mode, plan.mixup, sizes, training])


def _judge(row: Row, plan: Plan, look: Look) -> None:
    if not math.isfinite(row["val_loss"]):
        # Not pruned: it is no accuracy that the median of others could be compared with.
        raise TrialFailedError(f"the loss of epoch {row['epoch']} is not finite")
    steps = row["epoch"] * plan.steps_per_epoch
    # By steps, not epochs, whose length is the schedule's; a rate that still rises is no sign yet,
    # and at the end there is nothing to save.
    if plan.schedule.warmup < steps < plan.steps:
        look(steps, row["val_accuracy"])


class _Begun:
    """A training, and what its variables were before it ran, the optimiser's among them."""

    def __init__(self, fit: Fit, path: str):
        self.fit = fit
        self._checkpoint = tf.train.Checkpoint(variables=fit.changed, optimizer=fit.optimizer)
        self._written = self._checkpoint.write(path)

    def restore(self) -> None:
        """Takes the variables back."""
        self._checkpoint.read(self._written).assert_consumed()
