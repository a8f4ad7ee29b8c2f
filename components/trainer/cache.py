"""What stays between passes over a split: one array and its labels, under one limit of bytes."""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import tensorflow as tf

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Kept:
    """A whole split.

    Attributes:
      values: float32 [count, ...].
      labels: int64 [count].
    """

    values: np.ndarray
    labels: np.ndarray

    @property
    def count(self) -> int:
        """Examples in it."""
        return len(self.labels)

    def fetch(self, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Rows by number, int64 [n]: (float32 [n, ...], int64 [n])."""
        # Not captured as tensors: a graph that is rewritten may hold two gigabytes at most.
        values, labels = tf.numpy_function(
            lambda rows: (np.take(self.values, rows, axis=0), self.labels[rows]),
            [indices],
            (tf.float32, tf.int64),
            stateful=False,
        )
        values.set_shape((indices.shape[0], *self.values.shape[1:]))
        labels.set_shape((indices.shape[0],))
        return values, labels


class Room:
    """Memory or a temporary folder for the splits of one training, or several; a context manager.

    What is kept has a name, and trainings that share a room mean the same by it.
    """

    def __init__(self, kind: str, limit_bytes: int):
        """Makes room.

        Args:
          kind: `training.cache`: auto, memory, disk or off.
          limit_bytes: of all that is kept together.
        """
        self._disk = kind == "disk"
        self._left_bytes = 0 if kind == "off" else limit_bytes
        self._folder: Path | None = None
        self._kept: dict[str, Kept] = {}

    def __enter__(self) -> Room:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def takes(self, what: str, count: int, shape: Sequence[int]) -> bool:
        """Whether it is kept, or so many float32 arrays of this shape fit into what is left."""
        return what in self._kept or _bytes(count, shape) <= self._left_bytes

    def keep(
        self, what: str, count: int, shape: Sequence[int], batches: Iterable[Sequence[np.ndarray]]
    ) -> Kept:
        """Keeps a whole split that it `takes`; what was kept under the name before, it gives again.

        Args:
          what: names it, in logs and in errors too.
          count: its examples.
          shape: of one of them.
          batches: pairs of float32 [n, *shape] and int64 [n], together `count` examples.

        Raises:
          RuntimeError: there are more or fewer.
        """
        if what in self._kept:
            return self._kept[what]
        self._left_bytes -= _bytes(count, shape)
        values = self._array((count, *shape))
        labels = np.empty(count, np.int64)
        filled = 0
        for some, their_labels in batches:
            end = filled + len(their_labels)
            if end <= count:
                values[filled:end], labels[filled:end] = some, their_labels
            filled = end
        if filled != count:
            raise RuntimeError(f"{what}: {filled} examples were read and {count} are expected")
        _logger.info("kept %s: %d examples, %d bytes", what, count, values.nbytes)
        self._kept[what] = Kept(values, labels)
        return self._kept[what]

    def _array(self, shape: tuple[int, ...]) -> np.ndarray:
        # No file can be mapped that is empty.
        if not self._disk or shape[0] == 0:
            return np.empty(shape, np.float32)
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="bit-kept-"))
        number = len(list(self._folder.iterdir()))
        return np.memmap(self._folder / f"{number}.float32", np.float32, "w+", shape=shape)


def _bytes(count: int, shape: Sequence[int]) -> int:
    return 4 * count * math.prod(shape)
