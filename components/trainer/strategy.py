"""How one training step is spread over the devices of this process."""

from __future__ import annotations

import functools

import tensorflow as tf

from components.errors import UserError
from components.trainer.config import TrainingConfig


def make_strategy(training: TrainingConfig) -> tf.distribute.Strategy:
    """The distribution strategy; model and optimiser are to be made in its scope.

    Args:
      training: `strategy`, `batch_size`, `batch_split`.

    Raises:
      UserError: the batch cannot be shared out equally.
    """
    kind = training.strategy
    gpus = tf.config.list_logical_devices("GPU")
    if kind == "one_device" or (kind == "auto" and len(gpus) < 2):
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


def spread(dataset: tf.data.Dataset) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """The same batches, each shared out to the devices of the strategy in whose scope this is."""
    strategy = tf.distribute.get_strategy()
    if strategy.num_replicas_in_sync > 1:
        options = tf.data.Options()
        # One process reads for all devices: there is nothing to share out but its batches.
        off = tf.data.experimental.AutoShardPolicy.OFF
        options.experimental_distribute.auto_shard_policy = off
        return strategy.experimental_distribute_dataset(dataset.with_options(options))
    gpus = tf.config.list_logical_devices("GPU")
    if gpus:
        return dataset.apply(tf.data.experimental.prefetch_to_device(gpus[0].name))
    return dataset
