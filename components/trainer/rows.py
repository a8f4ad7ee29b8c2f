"""Runs a function that fails for some rows of a batch so that each of these costs itself alone.

A graph cannot catch an error, but a `tf.data.Dataset` can leave out the elements that raise one.

>>> def numbers(rows):
...     return (tf.strings.to_number(rows),)
>>> (values,), ok = each_alone(numbers, tf.constant(["1", "two", "3"]), (tf.TensorSpec(()),))
>>> values.numpy().tolist(), ok.numpy().tolist()
([1.0, 0.0, 3.0], [True, False, True])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

Tensors = tuple[tf.Tensor, ...]


def each_alone(
    function: Callable[[tf.Tensor], Tensors], rows: tf.Tensor, specs: Sequence[tf.TensorSpec]
) -> tuple[Tensors, tf.Tensor]:
    """What a function makes of each row, and for which rows it makes anything.

    All rows are tried at once first; only if that fails, each alone.

    Args:
      function: from rows [n] to tensors [n, ...]; it captures nothing that has a state.
      rows: [N].
      specs: of one row of each of its tensors.

    Returns:
      The tensors, [N, ...], 0 where it fails; and bool [N], where it does not.
    """
    count = tf.size(rows, tf.int64)

    def zeros(*shape: Any) -> Tensors:
        return tuple(tf.zeros((*shape, *spec.shape), spec.dtype) for spec in specs)

    dataset = tf.data.Dataset
    together = dataset.from_tensors(rows).map(lambda all_rows: (True, function(all_rows)))
    # The last element is there in any case: `get_single_element` wants one.
    failed = dataset.from_tensors((False, zeros(0)))
    succeeded, found = _quiet(together).concatenate(failed).take(1).get_single_element()

    def one_by_one() -> tuple[Tensors, tf.Tensor]:
        def first_row(index: tf.Tensor, row: tf.Tensor) -> tuple[tf.Tensor, Tensors]:
            return index, tuple(tensor[0] for tensor in function(row))

        single_rows = dataset.from_tensor_slices(rows).batch(1).enumerate()
        alone = single_rows.map(first_row, num_parallel_calls=tf.data.AUTOTUNE)
        alone = _quiet(alone).concatenate(dataset.from_tensors((count, zeros())))
        places, parts = alone.batch(count + 1).get_single_element()
        places = places[:, tf.newaxis]

        def spread(part: tf.Tensor) -> tf.Tensor:
            shape = tf.concat([[count + 1], tf.shape(part, tf.int64)[1:]], axis=0)
            return tf.scatter_nd(places, part, shape)[:count]

        ok = tf.scatter_nd(places, tf.ones_like(places[:, 0], tf.bool), [count + 1])[:count]
        return tuple(map(spread, parts)), ok

    tensors, ok = tf.cond(succeeded, lambda: (found, tf.fill([count], True)), one_by_one)
    for tensor, spec in zip(tensors, specs, strict=True):
        tensor.set_shape((rows.shape[0], *spec.shape))
    return tensors, ok


def _quiet(elements: tf.data.Dataset) -> tf.data.Dataset:
    """Without the elements that raise an error."""
    return elements.ignore_errors(log_warning=False)
