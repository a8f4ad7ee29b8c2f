"""The training loop: steps, looks at the eval split, early stopping, checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from components import progress
from components.trainer.checkpoint import Checkpoints, NoCheckpoints, State
from components.trainer.plan import Plan

Row = dict[str, Any]
Batches = Callable[[int], Iterator[tuple[Any, Any]]]
"""From the number of the first step to (inputs, labels) of that and of every later step."""


class Loop:
    """One training, from where it broke off to its end."""

    def __init__(
        self,
        plan: Plan,
        batch_size: int,
        train_step: Callable[[Any, Any], tf.Tensor],
        evaluate: Callable[[], tuple[float, float]],
        set_rate: Callable[[float], None],
        trained: Sequence[tf.Variable],
    ):
        """Binds what a loop calls.

        Args:
          plan: how long, how often to look, when to stop.
          batch_size: images in a step.
          train_step: `Steps.train`.
          evaluate: val_loss and val_accuracy of the model as it is.
          set_rate: sets the optimiser's rate.
          trained: what is restored to its best values at the end.
        """
        self._plan = plan
        self._batch_size = batch_size
        self._train_step = train_step
        self._evaluate = evaluate
        self._set_rate = set_rate
        self._trained = list(trained)
        self.best = _copies(trained) if plan.patience else []

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
        """
        state = checkpoints.restore()
        if state.step:
            text = f"Going on after step {state.step} of {self._plan.steps}"
            progress.report(text, event="phase", text=text)
        for row in state.rows:
            tell(row)
        iterator = None
        while state.step < self._plan.steps and not state.stopped:
            if iterator is None:
                iterator = iter(batches(state.step))
            state = self._epoch(state, iterator, checkpoints)
            tell(state.rows[-1])
            if checkpoints.due():
                checkpoints.save(state)
        if self.best:
            for variable, value in zip(self._trained, self.best, strict=True):
                variable.assign(value)
        kept = state.best_epoch if self.best else len(state.rows)
        return [{**row, "restored": int(row["epoch"] == kept)} for row in state.rows]

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
            if state.step < end and checkpoints.due():
                state, results = _summed(state, results), []
                checkpoints.save(state)
        state = _summed(state, results)
        seconds = time.perf_counter() - started
        images = (end - (epoch - 1) * self._plan.steps_per_epoch) * self._batch_size
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
        """Keeps the weights of a better epoch; stops after `patience` that are not better."""
        if self._plan.patience is None:
            return state
        accuracy = state.rows[-1]["val_accuracy"]
        best = state.rows[state.best_epoch - 1]["val_accuracy"] if state.best_epoch > 0 else -1.0
        if accuracy > best:
            for copy, variable in zip(self.best, self._trained, strict=True):
                copy.assign(variable.read_value())
            return replace(state, best_epoch=len(state.rows), waited=0)
        waited = state.waited + 1
        return replace(state, waited=waited, stopped=waited >= self._plan.patience)


def _copies(variables: Sequence[tf.Variable]) -> list[tf.Variable]:
    """Variables of the same values, in the host's memory."""
    with tf.device("CPU:0"):
        return [tf.Variable(variable.read_value(), trainable=False) for variable in variables]


def _summed(state: State, results: Sequence[tf.Tensor]) -> State:
    """Adds up what steps returned, in their order, in float64: the same sums after any break."""
    loss, right = state.sums
    for result in results:
        step_loss, step_right = np.asarray(result, np.float64)
        loss, right = loss + float(step_loss), right + float(step_right)
    return replace(state, sums=(loss, right))
