"""The training loop: steps, looks at the eval split, early stopping, checkpoints."""

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
"""From the number of the first step to (inputs, labels) of that and of every later step."""


class Loop:
    """One training, from where it broke off to its end."""

    def __init__(  # noqa: PLR0913, PLR0917  # Its caller binds them.
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
        """Binds what a loop calls.

        Args:
          plan: how long, how often to look, when to stop.
          training: `batch_size`, and what an error says of the rest.
          train_step: `Steps.train`.
          evaluate: val_loss and val_accuracy of the model as it is.
          set_rate: sets the optimiser's rate.
          changed: all variables that training changes; they are restored to the best epoch's.
          read_every: steps whose losses are read at once. Reading waits for the device, and of
            several workers all must read after the same step.
          overflows: whether the optimiser left out the last step, as it will every later one: its
            gradients are not finite at any scale of the loss.
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
        tell: Callable[[Row], None],
    ) -> list[Row]:
        """Trains until the plan's steps are done, or val_accuracy stops rising.

        Args:
          batches: the input.
          checkpoints: to go on from, and to write.
          tell: is given every epoch's row, those before the break among them.

        Returns:
          One row an epoch: `epoch` (from 1), `learning_rate` (of its last step), `accuracy`,
          `loss`, `val_accuracy`, `val_loss`, `seconds`, `waiting` (the part of them that was spent
          waiting for input), and `restored`, 1 for the epoch whose weights the model has now.

        Raises:
          DivergedError: a loss is not finite. A checkpoint that led there is removed.
        """
        state = checkpoints.restore()
        if state.step:
            text = f"Going on after step {state.step} of {self._plan.steps}"
            progress.report(text, event="phase", text=text)
        for row in state.rows:
            tell(row)
        first = state.step
        try:
            return self._finish(self._train(state, batches, checkpoints, tell))
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
            # A network can hide it: some kernels make 0 of the maximum of NaN and 0.
            raise self._diverged(WEIGHT, math.nan, state.step)
        kept = state.best_epoch if self.best else len(state.rows)
        return [{**row, "restored": int(row["epoch"] == kept)} for row in state.rows]

    def _train(
        self,
        state: State,
        batches: Batches,
        checkpoints: Checkpoints | NoCheckpoints,
        tell: Callable[[Row], None],
    ) -> State:
        iterator = None
        while state.step < self._plan.steps and not state.stopped:
            if iterator is None:
                iterator = iter(batches(state.step))
            state = self._epoch(state, iterator, checkpoints)
            row = state.rows[-1]
            tell(row)
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
        return self._judge(replace(state, rows=[*state.rows, row], sums=(0.0, 0.0)))

    def _judge(self, state: State) -> State:
        """Copies the weights of a better epoch; stops after `patience` that are not better."""
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
        """Adds up what the last steps returned, in their order, in float64.

        So the sums are the same after any break.

        Raises:
          DivergedError: a loss is not finite; the first one is named.
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
    """Variables of the same values, in the host's memory."""
    with tf.device("CPU:0"):
        return [tf.Variable(variable.read_value(), trainable=False) for variable in variables]
