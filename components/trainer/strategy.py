"""How one training step is spread over the devices of this process."""

from __future__ import annotations

import tensorflow as tf

from components.errors import UserError


def make_strategy(kind: str, batch_size: int) -> tf.distribute.Strategy:
    """The distribution strategy; model and optimiser are to be made in its scope.

    Args:
      kind: `training.strategy`.
      batch_size: images in a step, over all devices.

    Raises:
      UserError: the batch cannot be shared out equally.
    """
    gpus = tf.config.list_logical_devices("GPU")
    if kind == "one_device" or (kind == "auto" and len(gpus) < 2):
        return tf.distribute.get_strategy()
    devices = gpus or tf.config.list_logical_devices("CPU")
    strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise UserError(
            f"training.batch_size {batch_size} does not divide by the {replicas} devices that "
            f"training.strategy {kind} trains on: give a multiple of {replicas}, or one_device."
        )
    return strategy


def sharded_by_data(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The same batches; a strategy with several input workers splits them by record, not by file.

    A split can have fewer files than there are workers.
    """
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.with_options(options)
