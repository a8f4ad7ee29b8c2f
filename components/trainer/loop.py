"""The training loop: steps, evaluation, early stopping, checkpoints.

>>> from components.trainer.plan import make_plan
>>> training = TrainingConfig(schedule={"steps": 4}, steps_per_epoch=2, batch_size=8)
>>> weight, rate = tf.Variable(0.0), tf.Variable(0.0)
>>> def train_step(inputs, labels):  # Returns the batch's summed loss and number of hits.
...     weight.assign_add(rate)
...     return tf.constant([16.0, 4.0])
>>> loop = Loop(
...     make_plan(training, num_images=100), training, train_step,
...     evaluate=lambda: (1.5, 0.75), set_rate=rate.assign, changed=[weight],
... )
>>> batches = lambda first_step: iter([(None, None)] * 4)
>>> rows = loop.run(batches, NoCheckpoints(), on_epoch=lambda row: None)
>>> [(row["epoch"], row["loss"], row["accuracy"], row["val_accuracy"]) for row in rows]
[(1, 2.0, 0.5, 0.75), (2, 2.0, 0.5, 0.75)]
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from components import progress
from components.trainer.checkpoint import Checkpoints, NoCheckpoints, State, all_finite
from components.trainer.config import TrainingConfig
from components.trainer.diverged import EVAL_LOSS, GRADIENT, LOSS, WEIGHT, DivergedError, diverged
from components.trainer.plan import Plan

Row = dict[str, Any]
Batches = Callable[[int], Iterator[tuple[Any, Any]]]
"""From the number of the first step to (inputs, labels) of that step and all later ones."""


class Loop:
    """One training, from its last checkpoint to its end."""

    def __init__(  # noqa: PLR0913, PLR0917  # All are fixed per training.
        self,
        plan: Plan,
        training: TrainingConfig,
        train_step: Callable[[Any, Any], tf.Tensor],
        evaluate: Callable[[], tuple[float, float]],
        set_rate: Callable[[float], None],
        changed: Sequence[tf.Variable],
        read_every: int = 1,
        overflows: Callable[[], bool] = lambda: False,
    ):
        """Makes the loop.

        Args:
          plan: how long to train, how often to evaluate, when to stop.
          training: the `training` section; errors quote it.
          train_step: `Steps.train`.
          evaluate: returns val_loss and val_accuracy of the current model.
          set_rate: sets the optimiser's learning rate.
          changed: all variables that training changes; early stopping restores them.
          read_every: steps whose losses are read at once. Reading waits for the device, and all
            workers must read after the same step.
          overflows: whether the optimiser skipped the last step, and will skip every later one,
            because its gradients are not finite at any scale of the loss.
        """
        self._plan = plan
        self._training = training
        self._train_step = train_step
        self._evaluate = evaluate
        self._set_rate = set_rate
        self._changed = list(changed)
        self._read_every = read_every
        self._overflows = overflows
        self.best = _copies(changed) if plan.patience else []

    def run(
        self,
        batches: Batches,
        checkpoints: Checkpoints | NoCheckpoints,
        on_epoch: Callable[[Row], None],
    ) -> list[Row]:
        """Trains until the plan's steps are done, or early stopping ends the training.

        Args:
          batches: the input.
          checkpoints: to resume from, and to write.
          on_epoch: is called with the row of every epoch, including those before a resume.

        Returns:
          One row per epoch: `epoch` (from 1), `learning_rate` (of its last step), `accuracy`,
          `loss`, `val_accuracy`, `val_loss`, `seconds`, `waiting` (the share of them spent waiting
          for input), and `restored`, 1 for the epoch whose weights the model has now.

        Raises:
          DivergedError: a loss is not finite. The checkpoint that it was resumed from is removed.
        """
        state = checkpoints.restore()
        if state.step:
            text = f"Resuming after step {state.step} of {self._plan.steps}"
            progress.report(text, event="phase", text=text)
        for row in state.rows:
            on_epoch(row)
        first = state.step
        try:
            return self._finish(self._train(state, batches, checkpoints, on_epoch))
        except DivergedError:
            if first:
                checkpoints.remove()
            raise

    def _finish(self, state: State) -> list[Row]:
        """Restores the best epoch, and marks it."""
        if self.best:
            for variable, value in zip(self._changed, self.best, strict=True):
                variable.assign(value)
        if not all_finite(self._changed):
            # The loss may hide it: some kernels return 0 for the maximum of NaN and 0.
            raise self._diverged(WEIGHT, math.nan, state.step)
        restored = state.best_epoch if self.best else len(state.rows)
        return [{**row, "restored": int(row["epoch"] == restored)} for row in state.rows]

    def _train(
        self,
        state: State,
        batches: Batches,
        checkpoints: Checkpoints | NoCheckpoints,
        on_epoch: Callable[[Row], None],
    ) -> State:
        iterator = None
        while state.step < self._plan.steps and not state.stopped:
            if iterator is None:
                iterator = iter(batches(state.step))
            state = self._epoch(state, iterator, checkpoints)
            row = state.rows[-1]
            on_epoch(row)
            if not math.isfinite(row["val_loss"]):
                raise self._diverged(EVAL_LOSS, row["val_loss"], state.step)
            if self._overflows():
                raise self._diverged(GRADIENT, math.inf, state.step)
            if checkpoints.due():
                checkpoints.save(state)
        return state

    def _epoch(
        self,
        state: State,
        iterator: Iterator[tuple[Any, Any]],
        checkpoints: Checkpoints | NoCheckpoints,
    ) -> State:
        started, waited = time.perf_counter(), 0.0
        epoch = len(state.rows) + 1
        end = min(epoch * self._plan.steps_per_epoch, self._plan.steps)
        results: list[tf.Tensor] = []
        while state.step < end:
            before = time.perf_counter()
            inputs, labels = next(iterator)
            waited += time.perf_counter() - before
            self._set_rate(self._plan.schedule.rate_at(state.step))
            results.append(self._train_step(inputs, labels))
            state = replace(state, step=state.step + 1)
            due = state.step < end and checkpoints.due()
            if due or state.step % self._read_every == 0:
                state, results = self._summed(state, results), []
            if due:
                checkpoints.save(state)
        state = self._summed(state, results)
        seconds = time.perf_counter() - started
        images = (end - (epoch - 1) * self._plan.steps_per_epoch) * self._training.batch_size
        val_loss, val_accuracy = self._evaluate()
        row = {
            "epoch": epoch,
            "learning_rate": self._plan.schedule.rate_at(end - 1),
            "accuracy": state.sums[1] / images,
            "loss": state.sums[0] / images,
            "val_accuracy": val_accuracy,
            "val_loss": val_loss,
            "seconds": seconds,
            "waiting": waited / seconds,
        }
        return self._check_stopping(replace(state, rows=[*state.rows, row], sums=(0.0, 0.0)))

    def _check_stopping(self, state: State) -> State:
        """Copies the weights of a better epoch; stops after `patience` epochs without one."""
        if self._plan.patience is None:
            return state
        accuracy = state.rows[-1]["val_accuracy"]
        finite = math.isfinite(state.rows[-1]["val_loss"])
        best = state.rows[state.best_epoch - 1]["val_accuracy"] if state.best_epoch > 0 else -1.0
        if finite and accuracy > best:
            for copy, variable in zip(self.best, self._changed, strict=True):
                copy.assign(variable.read_value())
            return replace(state, best_epoch=len(state.rows), waited=0)
        waited = state.waited + 1
        return replace(state, waited=waited, stopped=waited >= self._plan.patience)

    def _summed(self, state: State, results: Sequence[tf.Tensor]) -> State:
        """Adds the results of the last steps, in their order and in float64.

        The sums are then the same whether training was interrupted or not.

        Raises:
          DivergedError: a loss is not finite; the message gives the first step.
        """
        loss, right = state.sums
        for step, result in enumerate(results, state.step - len(results) + 1):
            step_loss, step_right = np.asarray(result, np.float64)
            if not math.isfinite(step_loss):
                raise self._diverged(LOSS, step_loss, step)
            loss, right = loss + float(step_loss), right + float(step_right)
        return replace(state, sums=(loss, right))

    def _diverged(self, what: str, value: float, step: int) -> DivergedError:
        return diverged(self._training, self._plan, what, value, step)


def _copies(variables: Sequence[tf.Variable]) -> list[tf.Variable]:
    """Copies of variables in the host's memory."""
    with tf.device("CPU:0"):
        return [tf.Variable(variable.read_value(), trainable=False) for variable in variables]
