"""Checkpoints of one training, from which a run that was killed goes on."""

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
"""TensorFlow's name of the file that names the newest."""

STALE_S = 7 * 24 * 3600
"""Seconds after which a training that was never finished is given up."""


@dataclass
class State:
    """How far training has come, besides what variables hold.

    Attributes:
      step: steps done.
      rows: one an epoch that is over.
      sums: of losses, and of images classified right, in the epoch that is not.
      best_epoch: number of the row with the best val_accuracy; -1 before there is one.
      waited: epochs since then.
      stopped: whether training is over before its last step.
    """

    step: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    sums: tuple[float, float] = (0.0, 0.0)
    best_epoch: int = -1
    waited: int = 0
    stopped: bool = False


class Checkpoints:
    """The newest checkpoint in one folder, in place of the one before it."""

    def __init__(
        self,
        folder: str,
        every_s: float,
        variables: Sequence[tf.Variable],
        best: Sequence[tf.Variable],
        optimizer: Any,
    ):
        """Takes up a folder, which need not be there.

        Args:
          folder: local or gs://.
          every_s: seconds between two checkpoints; infinite on workers other than the chief.
          variables: what training changes.
          best: their values in the best epoch so far; empty where they are not asked for.
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
        # A variable that is made while one worker saves would wait for the others.
        self._checkpoint.save_counter  # noqa: B018
        self._saved = time.monotonic()

    def restore(self) -> State:
        """Where training broke off; the beginning where there is nothing to go on from.

        All workers go on from what the chief sees.

        Raises:
          UserError: it is damaged.
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
            # Some variables may have been read already: this process cannot begin anew.
            raise UserError(
                f"The checkpoint {newest} cannot be read ({str(error).splitlines()[0]}). Remove "
                f"{self._folder} and run again: the training then begins anew."
            ) from error
        return self._state.value

    def _is_of_other_variables(self, newest: str) -> bool:
        """Whether an older version of this code wrote it, which saved less of the model."""
        # Not tf.train.load_checkpoint, which takes the prefix in a store for a folder.
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
        Weights that are not finite are not written: nothing good could go on from them.
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
        """Removes older checkpoints, and what a killed run left of one."""
        for path in self._folder.iterdir():
            if path.name == _NAMES_NEWEST or path.name.startswith(f"{newest}."):
                continue
            try:
                remove_tree(path) if path.is_dir() else path.unlink()
            except io_errors() as error:
                _logger.warning("%s could not be removed: %s", path, error)

    def remove(self) -> None:
        """Removes what is in the folder, so that the next run starts from the first step."""
        index, _ = worker()
        if index == 0:
            remove_checkpoints(str(self._folder))


class NoCheckpoints:
    """In the place of `Checkpoints` where a training that breaks off is begun again."""

    def restore(self) -> State:
        """The beginning."""
        return State()

    def due(self) -> bool:
        """Never."""
        return False

    def save(self, state: State) -> None:
        """Writes nothing."""

    def remove(self) -> None:
        """There is nothing to remove."""


def all_finite(variables: Iterable[tf.Variable]) -> bool:
    """Whether no trainable value is NaN or infinite; what a module holds besides may be."""
    return all(
        bool(tf.reduce_all(tf.math.is_finite(variable.read_value())))
        for variable in variables
        if variable.trainable and variable.dtype.is_floating
    )


def remove_checkpoints(folder: str) -> None:
    """Removes the checkpoints of a training that is done, and those that nobody took up for long.

    Args:
      folder: of the training that is done; the others are beside it.
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
    """Keeps `State` inside of the checkpoint, so that the two cannot come apart."""

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
