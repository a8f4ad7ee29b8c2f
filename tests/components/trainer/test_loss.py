"""The training loss against NumPy and Keras; class weights against scikit-learn."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from components.errors import UserError
from components.trainer.cache import CachedSplit
from components.trainer.class_weights import balanced, class_weights
from components.trainer.config import TrainingConfig
from components.trainer.input_pipeline import cached_split, label_counts, subset_of
from components.trainer.loss import TrainingLoss, cross_entropy
from components.trainer.model import make_optimizer
from components.trainer.train_step import Steps

WEIGHTS = (0.5, 2.0, 3.5)
LABELS = tf.constant([0, 2, 1, 1, 0, 2], tf.int64)
LOGITS = tf.random.stateless_normal((6, 3), (1, 2))


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=30).filter(any))
def test_balanced_weights_are_scikit_learns(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    present = np.unique(labels)
    expected = np.ones(len(counts))
    expected[present] = compute_class_weight("balanced", classes=present, y=labels)
    np.testing.assert_allclose(balanced(counts), expected, rtol=1e-12)


def test_named_weights_leave_the_others_at_one_and_a_wrong_name_is_told():
    assert class_weights({"b": 3.0}, ("a", "b"), list) == (1.0, 3.0)
    assert class_weights(None, ("a", "b"), list) is None
    with pytest.raises(UserError, match=r"no class 'c'; there are: a, b"):
        class_weights({"c": 3.0}, ("a", "b"), list)


def test_labels_are_counted_of_a_split_and_of_a_part_of_it():
    labels = np.array([0, 2, 2, 1, 2, 0])
    split = cached_split(CachedSplit(np.zeros((6, 4), np.float32), labels))
    assert label_counts(split, 4).tolist() == [2, 1, 3, 0]
    part = subset_of(split, np.array([True, True, False, False, True, True]))
    assert label_counts(part, 4).tolist() == [2, 0, 2, 0]


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def by_numpy(shares, logits, weights, smoothing):
    """The formula of the module, term by term, in float64."""
    costs = -np.log(softmax(np.asarray(logits, np.float64)))
    of_class = (1 - smoothing) * costs + smoothing * costs.mean(axis=1, keepdims=True)
    return (np.asarray(shares, np.float64) * np.array(weights) * of_class).sum(axis=1)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("soft", [False, True])
def test_it_is_the_formula_and_its_slope_is_the_formulas(weights, smoothing, soft):
    hard = tf.one_hot(LABELS, 3)
    labels = 0.3 * hard + 0.7 * tf.reverse(hard, [0]) if soft else LABELS
    shares = labels if soft else hard
    loss = TrainingLoss(weights, smoothing)
    with tf.GradientTape() as tape:
        tape.watch(LOGITS)
        found = loss(labels, LOGITS)
    slope = tape.gradient(found, LOGITS).numpy()
    told = weights or (1, 1, 1), smoothing
    np.testing.assert_allclose(found, by_numpy(shares, LOGITS, *told), rtol=1e-5)
    step = 1e-6
    for column in range(3):
        moved = step * np.eye(3)[column]
        exact = LOGITS.numpy().astype(np.float64)
        up, down = (by_numpy(shares, exact + sign * moved, *told) for sign in (1, -1))
        np.testing.assert_allclose(slope[:, column], (up - down) / (2 * step), atol=1e-5)


def test_a_blend_costs_the_blend_of_what_its_images_cost():
    loss = TrainingLoss(WEIGHTS, 0.1)
    first, second = LABELS, tf.reverse(LABELS, [0])
    soft = 0.3 * tf.one_hot(first, 3) + 0.7 * tf.one_hot(second, 3)
    hard = 0.3 * loss(first, LOGITS) + 0.7 * loss(second, LOGITS)
    np.testing.assert_allclose(loss(soft, LOGITS), hard, rtol=1e-5)


def test_without_both_it_is_the_cross_entropy_to_the_bit():
    np.testing.assert_array_equal(TrainingLoss()(LABELS, LOGITS), cross_entropy(LABELS, LOGITS))


def test_smoothing_is_keras_own():
    keras_loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=0.1, reduction="none"
    )
    expected = keras_loss(tf.one_hot(LABELS, 3), LOGITS)
    np.testing.assert_allclose(TrainingLoss(None, 0.1)(LABELS, LOGITS), expected, rtol=1e-6)


INPUTS = tf.random.stateless_normal((6, 4), (3, 4))


def by_ours(steps, loss, clip_norm=None, batch_split=1, scale=1.0):
    """A head trained on one batch, again and again; its kernel after each step, and the losses."""
    kernel = tf.Variable(tf.zeros((4, 3)))
    optimizer = make_optimizer("float32", clip_norm)
    optimizer.build([kernel])
    optimizer.learning_rate.assign(0.3)
    training = TrainingConfig(batch_size=6, batch_split=batch_split)
    forward = lambda inputs, training: scale * inputs @ kernel  # noqa: E731
    ours = Steps(forward, forward, [kernel], optimizer, training, loss=loss)
    losses, kernels = [], []
    for _ in range(steps):
        losses.append(float(ours.train(INPUTS, LABELS)[0]) / 6)
        kernels.append(kernel.numpy())
    return kernels, losses


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("batch_split", [1, 3])
def test_training_is_kerass_own_with_class_weight(smoothing, batch_split):
    network = keras.Sequential([keras.layers.Dense(3, use_bias=False, kernel_initializer="zeros")])
    network.compile(
        keras.optimizers.SGD(0.3, momentum=0.9),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing),
        # AutoGraph would convert Keras first, which takes far longer.
        run_eagerly=True,
    )
    fitted = network.fit(
        INPUTS,
        tf.one_hot(LABELS, 3),
        batch_size=6,
        epochs=5,
        class_weight=dict(enumerate(WEIGHTS)),
        verbose=0,
    )
    kernels, losses = by_ours(5, TrainingLoss(WEIGHTS, smoothing), batch_split=batch_split)
    np.testing.assert_allclose(kernels[-1], network.get_weights()[0], atol=1e-6)
    np.testing.assert_allclose(losses, fitted.history["loss"], atol=1e-6)


@pytest.mark.parametrize("clip_norm", [0.05, 0.5, 1e6])
@pytest.mark.parametrize("batch_split", [1, 2])
def test_a_clipped_step_is_numpys(clip_norm, batch_split):
    """SGD with momentum on a gradient that is scaled down to the norm, by hand."""
    kernels, _ = by_ours(4, cross_entropy, clip_norm, batch_split, scale=3.0)
    kernel, speed = np.zeros((4, 3)), 0.0
    inputs = 3.0 * INPUTS.numpy().astype(np.float64)
    clipped = 0
    for found in kernels:
        slope = inputs.T @ (softmax(inputs @ kernel) - np.eye(3)[LABELS]) / 6
        norm = np.linalg.norm(slope)
        clipped += norm > clip_norm
        speed = 0.9 * speed - 0.3 * slope * min(1.0, clip_norm / norm)
        kernel = kernel + speed
        np.testing.assert_allclose(found, kernel, atol=2e-6)
    assert clipped == (0 if clip_norm > 100 else 4) or clip_norm == 0.5


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("class_weights", {"a": 0.0}),
        ("class_weights", {"a": -1.0}),
        ("class_weights", {"a": float("nan")}),
        ("class_weights", {"a": float("inf")}),
        ("class_weights", {}),
        ("class_weights", "balance"),
        ("class_weights", [1.0, 2.0]),
        ("label_smoothing", 1.0),
        ("label_smoothing", -0.1),
        ("clip_norm", 0.0),
        ("inception_crop", 0.0),
        ("inception_crop", 1.1),
        ("random_erasing", 1.5),
        ("randaugment", {"magnitude": 11.0}),
        ("randaugment", {"layers": 0}),
    ],
)
def test_values_without_a_sense_are_refused(key, value):
    with pytest.raises(ValueError, match=key):
        TrainingConfig.model_validate({key: value})
