"""How one training step is spread over the devices of this process, and over several processes."""

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
    """The distribution strategy; model and optimiser are to be made in its scope.

    Args:
      training: `strategy`, `batch_size`, `batch_split`.
      workers: what `join_workers` returned, for `multi_worker`. In a process that has joined none,
        as in a search, that takes this process's devices as `auto` does.

    Raises:
      UserError: the batch cannot be shared out equally.
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
            f"training.batch_size {batch_size} does not divide by the {replicas} devices that "
            f"training.strategy {kind} trains on: give a multiple of {replicas}, or one_device."
        )
    if batch_size % parts:
        raise UserError(
            f"training.batch_size {batch_size} does not divide by {replicas} devices times "
            f"training.batch_split {training.batch_split}: give a multiple of {parts}."
        )
    return strategy


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.MirroredStrategy:
    """One a process: the collectives of a second one would be taken for those of the first."""
    return tf.distribute.MirroredStrategy(list(devices))


def join_workers() -> Workers:
    """Waits for the other processes that TF_CONFIG names, and joins them.

    Once a process, before TensorFlow has computed anything in it.

    Raises:
      UserError: they do not all have the same devices.
    """
    workers = tf.distribute.MultiWorkerMirroredStrategy()
    devices: dict[tuple[str, int], list[str]] = {}
    # All workers' are listed, and so all workers see the same.
    for device in tf.config.list_logical_devices():
        spec = tf.DeviceSpec.from_string(device.name)
        devices.setdefault((spec.job, spec.task), []).append(spec.device_type)
    if len({tuple(sorted(kinds)) for kinds in devices.values()}) > 1:
        told = "; ".join(
            f"{job} {task}: {', '.join(kinds)}" for (job, task), kinds in sorted(devices.items())
        )
        # TensorFlow would wait for ever.
        raise UserError(
            f"training.strategy multi_worker: workers differ in their devices ({told})."
        )
    return workers


def worker() -> tuple[int, int]:
    """This process among those that the strategy in whose scope this is spreads over.

    Returns:
      Its number, 0 being the chief's, and how many there are: (0, 1) where it is the only one.
    """
    if not isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy):
        return 0, 1
    cluster = read_cluster(os.environ)
    return cluster.index, cluster.count


def sum_of_workers(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """The sum of what every worker gives, float64 [n], the same on all of them.

    All of them must call it, in the same order among steps of training; each waits for the others.
    """
    given = np.asarray(values, np.float64)
    _, count = worker()
    if count == 1:
        return given
    strategy = tf.distribute.get_strategy()
    total = strategy.reduce(tf.distribute.ReduceOp.SUM, tf.constant(given), axis=None)
    return np.asarray(total)


def chiefs_value(value: int) -> int:
    """The chief's whole number, below 2**53, on all workers, who must all call it."""
    index, _ = worker()
    return int(sum_of_workers([0 if index else value])[0])


def spread(
    dataset: tf.data.Dataset, device_batch: int | None = None
) -> tf.data.Dataset | tf.distribute.DistributedDataset | Iterable[tuple[Any, ...]]:
    """The same batches, each shared out to this process's devices of the strategy in scope.

    Args:
      dataset: this worker's batches.
      device_batch: images on a device, where there is no end of batches; None where there is one,
        and the last may be smaller.
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
        # One process reads for all devices: there is nothing to share out but its batches.
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
    """Without a word between workers, who would wait for one that has fewer batches."""
    if device_batch is None:
        return _Shared(dataset, strategy)
    # Of a dataset that may end, workers tell each other at every batch whether it has.
    endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
    batches = dataset.rebatch(device_batch, drop_remainder=True).apply(endless)
    return strategy.distribute_datasets_from_function(lambda _: batches)


class _Shared:
    """A dataset's batches, each cut into one piece a device; the last pieces may be empty."""

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
