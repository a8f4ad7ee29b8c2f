"""Caches splits between passes, each as one array with its labels, up to a limit of bytes.

>>> batches = [(np.zeros((2, 8), np.float32), np.array([0, 1]))]
>>> with SplitCache("memory", limit_bytes=1_000) as cache:
...     if cache.fits("eval embeddings", count=2, shape=[8]):
...         split = cache.store("eval embeddings", 2, [8], batches)
>>> split.count
2
>>> split.fetch(tf.constant([1], tf.int64))[1].numpy()
array([1])
"""

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
class CachedSplit:
    """All examples of a split.

    Attributes:
      values: float32 [count, ...].
      labels: int64 [count].
    """

    values: np.ndarray
    labels: np.ndarray

    @property
    def count(self) -> int:
        """Number of examples."""
        return len(self.labels)

    def fetch(self, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Rows by number, int64 [n]: (float32 [n, ...], int64 [n])."""
        # Not captured as tensors: a graph that is rewritten must be below two gigabytes.
        values, labels = tf.numpy_function(
            lambda rows: (np.take(self.values, rows, axis=0), self.labels[rows]),
            [indices],
            (tf.float32, tf.int64),
            stateful=False,
        )
        values.set_shape((indices.shape[0], *self.values.shape[1:]))
        labels.set_shape((indices.shape[0],))
        return values, labels


class SplitCache:
    """Memory or a temporary folder for the splits of one or several trainings; a context manager.

    Trainings that share a cache must mean the same split by a name.
    """

    def __init__(self, kind: str, limit_bytes: int):
        """Makes an empty cache.

        Args:
          kind: `training.cache`: auto, memory, disk or off.
          limit_bytes: of all splits together.
        """
        self._disk = kind == "disk"
        self._left_bytes = 0 if kind == "off" else limit_bytes
        self._folder: Path | None = None
        self._splits: dict[str, CachedSplit] = {}

    def __enter__(self) -> SplitCache:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def fits(self, what: str, count: int, shape: Sequence[int]) -> bool:
        """Whether the split is cached, or `count` float32 arrays of this shape would fit."""
        return what in self._splits or _bytes(count, shape) <= self._left_bytes

    def store(
        self, what: str, count: int, shape: Sequence[int], batches: Iterable[Sequence[np.ndarray]]
    ) -> CachedSplit:
        """Caches a split that `fits`; returns the cached one if the name is known already.

        Args:
          what: name of the split, also in logs and errors.
          count: number of examples.
          shape: of one example.
          batches: pairs of float32 [n, *shape] and int64 [n], together `count` examples.

        Raises:
          RuntimeError: there are more or fewer examples than `count`.
        """
        if what in self._splits:
            return self._splits[what]
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
            raise RuntimeError(f"{what}: {filled} examples were read, {count} were expected")
        _logger.info("cached %s: %d examples, %d bytes", what, count, values.nbytes)
        self._splits[what] = CachedSplit(values, labels)
        return self._splits[what]

    def _array(self, shape: tuple[int, ...]) -> np.ndarray:
        # An empty file cannot be mapped.
        if not self._disk or shape[0] == 0:
            return np.empty(shape, np.float32)
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="bit-cache-"))
        number = len(list(self._folder.iterdir()))
        return np.memmap(self._folder / f"{number}.float32", np.float32, "w+", shape=shape)


def _bytes(count: int, shape: Sequence[int]) -> int:
    return 4 * count * math.prod(shape)
