"""One step of training and one of evaluation, traced once, over all devices of a strategy.

>>> from components.trainer.model import make_optimizer
>>> kernel = tf.Variable(tf.zeros((4, 3)))
>>> optimizer = make_optimizer("float32")
>>> optimizer.build([kernel])
>>> optimizer.learning_rate.assign(0.1) is not None
True
>>> forward = lambda inputs, training: inputs @ kernel
>>> steps = Steps(forward, forward, [kernel], optimizer, TrainingConfig(batch_size=2))
>>> loss, hits = steps.train(tf.eye(2, 4), tf.constant([0, 2], tf.int64)).numpy()
>>> f"{loss:.3f}", float(hits)  # 2 log 3: every class was equally likely.
('2.197', 1.0)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from components.trainer.config import TrainingConfig
from components.trainer.loss import cross_entropy

Forward = Callable[[tf.Tensor, bool], tf.Tensor]
"""(inputs float32 [N, ...], training) -> logits float32 [N, num_classes]."""
Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""(labels int64 [N] or soft float32 [N, C], logits float32 [N, C]) -> losses float32 [N]."""


class Steps:
    """The functions that process a batch.

    A step's losses are divided by the size of the whole batch, however it is distributed over
    devices and parts, so that the gradient is the same.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # All are fixed per training.
        self,
        forward: Forward,
        evaluation_forward: Forward,
        variables: Sequence[tf.Variable],
        optimizer: Any,
        training: TrainingConfig,
        penalty: Callable[[], tf.Tensor] | None = None,
        statistics: Sequence[tf.Variable] = (),
        loss: Loss = cross_entropy,
    ):
        """Makes the steps; call it in the scope of a strategy.

        Args:
          forward: from training inputs to logits.
          evaluation_forward: from evaluation inputs to logits.
          variables: the variables to train.
          optimizer: a Keras optimizer, built for them.
          training: batch size and split, precision, XLA.
          penalty: the module's regularization, float32 []; None if it has none.
          statistics: variables that each device updates from its own images, as in batch norms.
          loss: that training minimises; evaluation has the cross-entropy.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        self._statistics = list(statistics) if replicas > 1 else []
        self._forward = forward
        self._evaluation_forward = evaluation_forward
        self._variables = list(variables)
        self._optimizer = optimizer
        self._batch_size = training.batch_size
        self._parts = training.batch_split
        self._loss = loss
        self._replicas = replicas
        self._penalty = penalty
        self._part_size = training.batch_size // replicas // training.batch_split
        self._scales = training.precision == "mixed_float16"
        self._gradients = tf.function(
            self._sum_gradients, jit_compile=training.xla or None, autograph=False
        )

    @tf.function(autograph=False)
    def train(self, inputs: Any, labels: Any) -> tf.Tensor:
        """Updates the variables.

        Args:
          inputs: float32 [B, ...], one per device if there are several.
          labels: int64 [B], or soft labels float32 [B, num_classes].

        Returns:
          float32 [2]: the sum of the batch's losses, each including the penalty of the weights
          before the step, and the number of images classified right.
        """
        strategy = tf.distribute.get_strategy()
        sums = strategy.run(self._replica_step, (inputs, labels))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, sums, axis=None)

    @tf.function(autograph=False)
    def evaluate(self, inputs: Any, labels: Any) -> tf.Tensor:
        """The same sums over this process's devices, without an update or a penalty."""
        strategy = tf.distribute.get_strategy()
        sums = strategy.run(self._replica_sums, (inputs, labels))
        # Workers may have different numbers of batches, and must not wait for each other.
        return tf.add_n(strategy.experimental_local_results(sums))

    @tf.function(autograph=False)
    def penalty(self) -> tf.Tensor:
        """The regularization of the current weights, float32 []; 0 if there is none."""
        if self._penalty is None:
            return tf.constant(0.0)
        strategy = tf.distribute.get_strategy()
        return strategy.experimental_local_results(strategy.run(self._penalty))[0]

    @tf.function(autograph=False)
    def average(self) -> None:
        """Sets the statistics on all devices to their mean.

        Evaluation, checkpoints and export then see one model.
        """

        def assign() -> None:
            for variable in self._statistics:
                # The variable's own aggregation averages the devices' values.
                variable.assign(variable.read_value())

        tf.distribute.get_strategy().run(assign)

    def overflows(self) -> bool:
        """Whether float16's loss scaling skipped the last step at its smallest scale."""
        optimizer = self._optimizer
        return self._scales and bool(optimizer.loss_scale == 1 and optimizer.dynamic_counter == 0)

    def _replica_sums(self, inputs: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        logits = self._evaluation_forward(inputs, False)
        return _sums(cross_entropy(labels, logits), labels, logits)

    def _replica_step(self, inputs: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        sums, gradients = self._gradients(inputs, labels)
        if self._scales:
            gradients = self._optimizer.get_unscaled_gradients(gradients)
        self._optimizer.apply_gradients(zip(gradients, self._variables, strict=True))
        return sums

    def _sum_gradients(
        self, inputs: tf.Tensor, labels: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        sums, gradients = self._sum_parts(inputs, labels)
        if self._penalty is None:
            return sums, gradients
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._variables)
            penalty = self._penalty()
            # Divided, because the devices' gradients are summed.
            loss = self._scaled(penalty / self._replicas)
        slopes = self._slopes(tape, loss)
        images = self._batch_size // self._replicas
        added = [one + other for one, other in zip(gradients, slopes, strict=True)]
        return sums + tf.stack([images * penalty, 0.0]), added

    def _sum_parts(self, inputs: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        if self._parts == 1:
            return self._part(inputs, labels)
        size = self._part_size

        def add(part: tf.Tensor, sums: tf.Tensor, gradients: list[tf.Tensor]) -> Any:
            rows = slice(part * size, (part + 1) * size)
            more, slopes = self._part(inputs[rows], labels[rows])
            added = [one + other for one, other in zip(gradients, slopes, strict=True)]
            return part + 1, sums + more, added

        # One part at a time, or the activations of all parts would be in memory together.
        zeros = [tf.zeros_like(variable) for variable in self._variables]
        _, sums, gradients = tf.while_loop(
            lambda part, *_: part < self._parts,
            add,
            (tf.constant(0), tf.zeros(2), zeros),
            parallel_iterations=1,
        )
        return sums, gradients

    def _part(self, inputs: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._variables)
            logits = self._forward(inputs, True)
            losses = self._loss(labels, logits)
            loss = self._scaled(tf.reduce_sum(losses) / self._batch_size)
        return _sums(losses, labels, logits), self._slopes(tape, loss)

    def _scaled(self, loss: tf.Tensor) -> tf.Tensor:
        return self._optimizer.get_scaled_loss(loss) if self._scales else loss

    def _slopes(self, tape: tf.GradientTape, loss: tf.Tensor) -> list[tf.Tensor]:
        zero = tf.UnconnectedGradients.ZERO
        return tape.gradient(loss, self._variables, unconnected_gradients=zero)


def _sums(losses: tf.Tensor, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Sum of losses, and number of hits; a soft label counts as its likeliest class.

    Logits with a NaN or infinity never hit: their largest value would be class 0.
    """
    wanted = labels if labels.dtype.is_integer else tf.argmax(labels, axis=1)
    known = tf.reduce_all(tf.math.is_finite(logits), axis=1)
    right = tf.logical_and(known, tf.equal(tf.argmax(logits, axis=1), wanted))
    return tf.stack([tf.reduce_sum(losses), tf.reduce_sum(tf.cast(right, tf.float32))])
