"""Distributes training steps over the devices of this process, and over several processes.

>>> strategy = make_strategy(TrainingConfig(strategy="one_device"))
>>> with strategy.scope():
...     worker(), sum_of_workers([1.0, 2.0]).tolist()
((0, 1), [1.0, 2.0])
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from components.errors import UserError
from components.trainer.config import TrainingConfig
from components.trainer.workers.cluster import read_cluster

Workers: TypeAlias = tf.distribute.MultiWorkerMirroredStrategy


def make_strategy(
    training: TrainingConfig, workers: Workers | None = None
) -> tf.distribute.Strategy:
    """The distribution strategy; make the model and the optimiser in its scope.

    Args:
      training: `strategy`, `batch_size`, `batch_split`.
      workers: from `join_workers`, for `multi_worker`. In a process that has not joined, as in a
        search, `multi_worker` uses this process's devices, like `auto`.

    Raises:
      UserError: the batch cannot be divided equally.
    """
    kind = training.strategy
    if kind == "multi_worker" and workers is not None:
        strategy = workers
    else:
        gpus = tf.config.list_logical_devices("GPU")
        if kind == "one_device" or (kind != "mirrored" and len(gpus) < 2):
            return tf.distribute.get_strategy()
        devices = gpus or tf.config.list_logical_devices("CPU")
        strategy = _mirrored(tuple(device.name for device in devices))
    replicas = strategy.num_replicas_in_sync
    batch_size, parts = training.batch_size, replicas * training.batch_split
    if batch_size % replicas:
        raise UserError(
            f"training.batch_size {batch_size} is not a multiple of the {replicas} devices of "
            f"training.strategy {kind}. Give a multiple of {replicas}, or set "
            "training.strategy=one_device."
        )
    if batch_size % parts:
        raise UserError(
            f"training.batch_size {batch_size} is not a multiple of {replicas} devices times "
            f"training.batch_split {training.batch_split}. Give a multiple of {parts}."
        )
    return strategy


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.MirroredStrategy:
    """One per process: a second strategy's collectives would be confused with the first's."""
    return tf.distribute.MirroredStrategy(list(devices))


def join_workers() -> Workers:
    """Waits for the other processes in TF_CONFIG, and joins them.

    Call it once per process, before TensorFlow has computed anything in it.

    Raises:
      UserError: the workers have different devices.
    """
    workers = tf.distribute.MultiWorkerMirroredStrategy()
    devices: dict[tuple[str, int], list[str]] = {}
    # The devices of all workers are listed, so all workers come to the same result.
    for device in tf.config.list_logical_devices():
        spec = tf.DeviceSpec.from_string(device.name)
        devices.setdefault((spec.job, spec.task), []).append(spec.device_type)
    if len({tuple(sorted(kinds)) for kinds in devices.values()}) > 1:
        listed = "; ".join(
            f"{job} {task}: {', '.join(kinds)}" for (job, task), kinds in sorted(devices.items())
        )
        # TensorFlow would wait for ever.
        raise UserError(
            f"training.strategy multi_worker: the workers have different devices ({listed}). "
            "Start all of them on machines of one kind."
        )
    return workers


def worker() -> tuple[int, int]:
    """The position of this process among the workers of the strategy in scope.

    Returns:
      (index, count); index 0 is the chief, and (0, 1) a process that trains alone.
    """
    if not isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy):
        return 0, 1
    cluster = read_cluster(os.environ)
    return cluster.index, cluster.count


def sum_of_workers(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """The sum over all workers of the given values, float64 [n]; the same on all of them.

    All workers must call it, in the same order relative to training steps; each waits for the
    others.
    """
    given = np.asarray(values, np.float64)
    _, count = worker()
    if count == 1:
        return given
    strategy = tf.distribute.get_strategy()
    total = strategy.reduce(tf.distribute.ReduceOp.SUM, tf.constant(given), axis=None)
    return np.asarray(total)


def chiefs_value(value: int) -> int:
    """Broadcasts the chief's integer, below 2**53, to all workers; all of them must call it."""
    index, _ = worker()
    return int(sum_of_workers([0 if index else value])[0])


def spread(
    dataset: tf.data.Dataset, device_batch: int | None = None
) -> tf.data.Dataset | tf.distribute.DistributedDataset | Iterable[tuple[Any, ...]]:
    """The same batches, each divided among this process's devices in the strategy in scope.

    Args:
      dataset: this worker's batches.
      device_batch: images per device, for endless batches; None for a finite dataset, whose last
        batch may be smaller.
    """
    strategy = tf.distribute.get_strategy()
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        devices = strategy.extended.worker_devices
        if len(devices) > 1:
            return _spread_here(dataset, device_batch, strategy)
        gpus = [device for device in devices if "GPU" in device]
        return _prefetched(dataset, gpus)
    if strategy.num_replicas_in_sync > 1:
        options = tf.data.Options()
        # One process reads for all devices: only its batches are divided.
        off = tf.data.experimental.AutoShardPolicy.OFF
        options.experimental_distribute.auto_shard_policy = off
        return strategy.experimental_distribute_dataset(dataset.with_options(options))
    return _prefetched(dataset, [gpu.name for gpu in tf.config.list_logical_devices("GPU")])


def _prefetched(dataset: tf.data.Dataset, gpus: Sequence[str]) -> tf.data.Dataset:
    if gpus:
        return dataset.apply(tf.data.experimental.prefetch_to_device(gpus[0]))
    return dataset


def _spread_here(
    dataset: tf.data.Dataset, device_batch: int | None, strategy: Workers
) -> tf.distribute.DistributedDataset | Iterable[tuple[Any, ...]]:
    """Without communication between workers, which would wait for one with fewer batches."""
    if device_batch is None:
        return _Shared(dataset, strategy)
    # For a finite dataset, workers would communicate at every batch whether it has ended.
    endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
    batches = dataset.rebatch(device_batch, drop_remainder=True).apply(endless)
    return strategy.distribute_datasets_from_function(lambda _: batches)


class _Shared:
    """A dataset's batches, each cut into one piece per device; the last pieces may be empty."""

    def __init__(self, dataset: tf.data.Dataset, strategy: Workers):
        self._dataset = dataset
        self._strategy = strategy

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for batch in self._dataset:
            yield tuple(self._cut(values) for values in batch)

    def _cut(self, values: tf.Tensor) -> Any:
        pieces = len(self._strategy.extended.worker_devices)
        size = -(-len(values) // pieces)

        def piece(context: Any) -> tf.Tensor:
            place = context.replica_id_in_sync_group % pieces * size
            return values[place : place + size]

        return self._strategy.experimental_distribute_values_from_function(piece)
