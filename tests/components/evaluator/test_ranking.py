"""The one rule of ranks, against scikit-learn, Keras and a loop."""

import math

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics as sklearn_metrics
from tensorflow_model_analysis.metrics import metric_types

from components.evaluator.metrics import CrossEntropy, TopK
from components.evaluator.prediction_table import tabulate
from components.evaluator.ranking import (
    LEAST_PROBABILITY,
    NO_CLASS,
    answered,
    label_ranks,
    losses,
    num_clipped,
    predicted_classes,
)

CLASSES = 6
# Few values, so that equal ones, NaN and infinity are often met.
SOME = st.sampled_from([0.0, 2**-30, 0.125, 0.5, 1.0, math.nan, math.inf, -math.inf])
ROWS = arrays.arrays(np.float32, (8, CLASSES), elements=SOME)
LABELS = arrays.arrays(np.int64, 8, elements=st.integers(0, CLASSES - 1))


def rank_by_a_loop(label, row):
    if not all(math.isfinite(value) for value in row) or max(row) <= 0:
        return CLASSES
    return sum(
        value > row[label] or (value == row[label] and index < label)
        for index, value in enumerate(row)
    )


def mean_of(metric, labels, probabilities):
    """What the metric makes of some images, as TFMA asks it."""
    (computation,) = metric.computations()
    combiner = computation.combiner
    accumulators = []
    for label, row in zip(labels, probabilities, strict=True):
        element = metric_types.StandardMetricInputs(
            labels=np.array([label]), predictions=row, example_weights=np.array([1.0])
        )
        accumulators.append(combiner.add_input(combiner.create_accumulator(), element))
    (value,) = combiner.extract_output(combiner.merge_accumulators(accumulators)).values()
    return value


@given(LABELS, ROWS)
@settings(max_examples=40)
def test_ranks_are_those_of_a_loop_and_both_places_have_them(labels, probabilities):
    expected = [rank_by_a_loop(*pair) for pair in zip(labels, probabilities, strict=True)]
    assert label_ranks(labels, probabilities).tolist() == expected
    table = tabulate([""] * 8, labels, probabilities, [()] * 8)
    assert table["label_rank"].to_pylist() == expected
    for k in range(1, CLASSES):
        share = np.mean([rank < k for rank in expected])
        assert mean_of(TopK(k, "top"), labels, probabilities) == pytest.approx(share)
        listed = [label in top[:k] for label, top in zip(
            labels, table["top_classes"].to_pylist(), strict=True)]  # fmt: skip
        assert listed == [rank < k for rank in expected]


@given(LABELS, ROWS)
@settings(max_examples=40)
def test_the_first_is_what_the_served_model_names(labels, probabilities):
    known = answered(probabilities)
    predicted = predicted_classes(probabilities)
    served = tf.argmax(probabilities, axis=1).numpy()
    assert predicted[known].tolist() == served[known].tolist()
    assert set(predicted[~known].tolist()) <= {NO_CLASS}
    right = label_ranks(labels, probabilities) == 0
    assert right.tolist() == (predicted == labels).tolist()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_without_equal_ones_it_is_scikit_learns_and_keras(seed):
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(CLASSES), 40).astype(np.float32)
    labels = random.integers(0, CLASSES, 40)
    ranks = label_ranks(labels, probabilities)
    for k in range(1, CLASSES):
        expected = sklearn_metrics.top_k_accuracy_score(
            labels, probabilities, k=k, labels=range(CLASSES)
        )
        assert np.mean(ranks < k) == pytest.approx(expected)
    own = losses(probabilities[np.arange(40), labels], predicted_classes(probabilities))
    kerass = keras.losses.sparse_categorical_crossentropy(labels, probabilities).numpy()
    np.testing.assert_allclose(own, kerass, atol=2e-6)
    assert mean_of(CrossEntropy("loss"), labels, probabilities) == pytest.approx(own.mean())


def test_outputs_of_one_and_zero_rank_the_rest_by_their_index():
    """Keras gives 1.0 for the top 2 of these, and the table gave 0.8."""
    labels = np.arange(5)
    probabilities = np.eye(5, dtype=np.float32)[[0, 1, 2, 3, 0]]
    keras_top_2 = keras.metrics.sparse_top_k_categorical_accuracy(labels, probabilities, 2)
    assert np.mean(keras_top_2) == 1.0
    assert label_ranks(labels, probabilities).tolist() == [0, 0, 0, 0, 4]
    assert mean_of(TopK(2, "top_2"), labels, probabilities) == pytest.approx(0.8)


def test_saturated_outputs_rank_as_their_argmax():
    logits = np.zeros((4, CLASSES), np.float32)
    logits[np.arange(4), [5, 0, 3, 3]] = 200
    probabilities = tf.nn.softmax(logits).numpy()
    assert probabilities.max(1).tolist() == [1, 1, 1, 1]
    assert label_ranks(np.array([5, 5, 2, 4]), probabilities).tolist() == [0, 5, 3, 4]
    assert predicted_classes(probabilities).tolist() == [5, 0, 3, 3]


def test_equal_outputs_name_the_first_class():
    probabilities = np.full((CLASSES, CLASSES), 1 / CLASSES, np.float32)
    assert predicted_classes(probabilities).tolist() == [0] * CLASSES
    assert label_ranks(np.arange(CLASSES), probabilities).tolist() == list(range(CLASSES))


def test_the_loss_is_clipped_where_keras_clips_it_and_they_are_counted():
    own = np.array([0.0, 1e-8, LEAST_PROBABILITY, 0.5, 1.0, np.nan], np.float32)
    predicted = np.array([1, 1, 1, 1, 1, NO_CLASS])
    found = losses(own, predicted)
    pairs = np.stack([own[:5], 1 - own[:5]], axis=1)
    kerass = keras.losses.sparse_categorical_crossentropy(np.zeros(5), pairs).numpy()
    np.testing.assert_allclose(found[:5], kerass, atol=2e-6)
    assert np.isnan(found[5])
    assert num_clipped(own, predicted) == 2


def test_one_class_alone_can_be_right_and_nan_is_not():
    probabilities = np.array([[1.0], [np.nan]], np.float32)
    assert label_ranks(np.zeros(2, np.int64), probabilities).tolist() == [0, 1]


def test_an_image_without_an_answer_has_no_loss():
    probabilities = np.array([[0.5, 0.5], [np.nan, 0.5]], np.float32)
    assert math.isnan(mean_of(CrossEntropy("loss"), [0, 1], probabilities))
