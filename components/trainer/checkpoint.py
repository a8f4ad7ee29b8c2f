"""Checkpoints of a training, from which a run that was killed resumes.

>>> import tempfile
>>> import tf_keras as keras
>>> weight, optimizer = tf.Variable(1.0), keras.optimizers.SGD(0.1)
>>> optimizer.build([weight])
>>> folder = tempfile.TemporaryDirectory()
>>> checkpoints = Checkpoints(folder.name, 60.0, [weight], [], optimizer)
>>> checkpoints.save(State(step=20))
>>> _ = weight.assign(5.0)
>>> checkpoints.restore().step, float(weight)
(20, 1.0)
>>> folder.cleanup()
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import tensorflow as tf

from components.durable import sync_tree
from components.errors import UserError
from components.storage import AnyPath, as_path, io_errors, is_local, remove_tree, write_whole
from components.trainer.strategy import chiefs_value, worker

_logger = logging.getLogger(__name__)

_PREFIX = "ckpt-"
_NAMES_NEWEST = "checkpoint"
"""TensorFlow's name for the file that names the newest checkpoint."""

STALE_S = 7 * 24 * 3600
"""Seconds after which the checkpoints of an unfinished training are removed."""


@dataclass
class State:
    """The progress of a training, apart from its variables.

    Attributes:
      step: steps done.
      rows: one per finished epoch.
      sums: sum of the losses, and number of images classified right, in the current epoch.
      best_epoch: number of the row with the best val_accuracy; -1 before there is one.
      waited: epochs since then.
      stopped: whether early stopping has ended the training.
    """

    step: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    sums: tuple[float, float] = (0.0, 0.0)
    best_epoch: int = -1
    waited: int = 0
    stopped: bool = False


class Checkpoints:
    """Saves checkpoints in a folder, each replacing the one before."""

    def __init__(
        self,
        folder: str,
        every_s: float,
        variables: Sequence[tf.Variable],
        best: Sequence[tf.Variable],
        optimizer: Any,
    ):
        """Uses a folder, which need not exist.

        Args:
          folder: local or gs://.
          every_s: seconds between two checkpoints; infinite on workers other than the chief.
          variables: the variables that training changes.
          best: their values in the best epoch so far; empty without early stopping.
          optimizer: built.
        """
        self._folder = as_path(folder)
        self._every_s = every_s
        self._variables = list(variables)
        self._best_count = len(best)
        self._state = _JsonState()
        self._checkpoint = tf.train.Checkpoint(
            variables=list(variables), best=list(best), optimizer=optimizer, state=self._state
        )
        # Made now: making it while one worker saves would wait for the others.
        self._checkpoint.save_counter  # noqa: B018
        self._saved = time.monotonic()

    def restore(self) -> State:
        """Restores the newest checkpoint; returns the initial state if there is none.

        All workers restore the checkpoint that the chief sees.

        Raises:
          UserError: the checkpoint is damaged.
        """
        found = tf.train.get_checkpoint_state(str(self._folder))
        step = chiefs_value(int(found.model_checkpoint_path.rpartition("-")[2]) if found else -1)
        if step < 0:
            return State()
        newest = str(self._folder / f"{_PREFIX}{step}")
        try:
            if self._is_of_other_variables(newest):
                return State()
            self._checkpoint.restore(newest).assert_consumed()
        except io_errors(AssertionError, IndexError, ValueError) as error:
            # Some variables may have been restored already: this process cannot start over.
            raise UserError(
                f"The checkpoint {newest} cannot be read ({str(error).splitlines()[0]}). Remove "
                f"{self._folder} and run again: the training then starts from the first step."
            ) from error
        return self._state.value

    def _is_of_other_variables(self, newest: str) -> bool:
        """Whether an older version of this code wrote it, which saved other variables."""
        # Not tf.train.load_checkpoint, which mistakes a prefix in an object store for a folder.
        reader = tf.compat.v1.train.NewCheckpointReader(newest)
        stored = reader.get_variable_to_shape_map()
        expected = {"variables": len(self._variables), "best": self._best_count}
        for name, count in expected.items():
            found = len({key.split("/")[1] for key in stored if key.startswith(f"{name}/")})
            if found != count:
                _logger.warning(
                    "the checkpoint %s is ignored: it has %d values of `%s` and the model %d. "
                    "Training starts from the first step.", newest, found, name, count
                )  # fmt: skip
                return True
        return False

    def due(self) -> bool:
        """Whether the last checkpoint is old enough."""
        return time.monotonic() - self._saved >= self._every_s

    def save(self, state: State) -> None:
        """Writes a checkpoint, and removes the one before it.

        Not by tf.train.CheckpointManager: it removes the older before the newer is on the disk.
        Weights that are not finite are not written: no training can resume from them.
        """
        self._saved = time.monotonic()
        if not all_finite(self._variables):
            _logger.warning("no checkpoint after step %d: a weight is NaN or infinite", state.step)
            return
        self._state.value = state
        name = f"{_PREFIX}{state.step}"
        self._checkpoint.write(str(self._folder / name))
        if isinstance(self._folder, Path):
            sync_tree(self._folder)
        write_whole(self._folder / _NAMES_NEWEST, f'model_checkpoint_path: "{name}"\n')
        self._remove_all_but(name)
        self._saved = time.monotonic()
        _logger.info("checkpoint after step %d in %s", state.step, self._folder)

    def _remove_all_but(self, newest: str) -> None:
        """Removes older checkpoints, and incomplete ones that a killed run left."""
        for path in self._folder.iterdir():
            if path.name == _NAMES_NEWEST or path.name.startswith(f"{newest}."):
                continue
            try:
                remove_tree(path) if path.is_dir() else path.unlink()
            except io_errors() as error:
                _logger.warning("%s could not be removed: %s", path, error)

    def remove(self) -> None:
        """Removes the folder, so that the next run starts from the first step."""
        index, _ = worker()
        if index == 0:
            remove_checkpoints(str(self._folder))


class NoCheckpoints:
    """Stands in for `Checkpoints` where an interrupted training starts from the beginning."""

    def restore(self) -> State:
        """The initial state."""
        return State()

    def due(self) -> bool:
        """Always False."""
        return False

    def save(self, state: State) -> None:
        """Writes nothing."""

    def remove(self) -> None:
        """Removes nothing."""


def all_finite(variables: Iterable[tf.Variable]) -> bool:
    """Whether no trainable value is NaN or infinite; other values of a module may be."""
    return all(
        bool(tf.reduce_all(tf.math.is_finite(variable.read_value())))
        for variable in variables
        if variable.trainable and variable.dtype.is_floating
    )


def remove_checkpoints(folder: str) -> None:
    """Removes the checkpoints of a finished training, and those that have not been used for long.

    Args:
      folder: of the finished training; the others are beside it.
    """
    own = as_path(folder)
    for path in (own, *_stale(own.parent)):
        try:
            if path.exists():
                remove_tree(path)
        except io_errors() as error:
            _logger.warning("%s could not be removed: %s", path, error)


def _stale(root: AnyPath) -> list[AnyPath]:
    if not is_local(root) or not root.is_dir():
        return []
    oldest = time.time() - STALE_S
    folders = (path for path in root.iterdir() if path.is_dir())
    return [folder for folder in folders if folder.stat().st_mtime < oldest]


class _JsonState(tf.train.experimental.PythonState):
    """Saves `State` inside the checkpoint, so that the two always match."""

    def __init__(self) -> None:
        super().__init__()
        self.value = State()

    def serialize(self) -> str:
        """PythonState's hook."""
        return json.dumps(asdict(self.value))

    def deserialize(self, string_value: str | bytes) -> None:
        """PythonState's hook."""
        values = json.loads(string_value)
        self.value = State(**{**values, "sums": tuple(values["sums"])})
