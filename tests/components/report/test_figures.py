"""Figures from predictions, by counting and against scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import binomtest
from sklearn import metrics
from sklearn.calibration import calibration_curve

from components.report.figures import calibration, class_rows, confusion_cells, without_no_class

CLASSES = 4
NAMES = tuple("abcd")
PAIRS = arrays.arrays(
    np.int64, st.tuples(st.integers(1, 60), st.just(2)), elements=st.integers(0, 3)
)


@given(PAIRS)
def test_the_confusion_matrix_is_scikit_learns_and_the_classes_are_what_one_counts(pairs):
    labels, predicted = pairs.T
    cells = confusion_cells(labels, predicted)
    matrix = np.zeros((CLASSES, CLASSES), int)
    for true, taken, count in cells:
        matrix[true, taken] = count
    np.testing.assert_array_equal(
        matrix, metrics.confusion_matrix(labels, predicted, labels=range(CLASSES))
    )
    for index, row in enumerate(class_rows(cells, NAMES, {})):
        hits = int(((labels == index) & (predicted == index)).sum())
        count, taken = int((labels == index).sum()), int((predicted == index).sum())
        assert row.count == count
        for value, whole in ((row.recall, count), (row.precision, taken)):
            assert value == (pytest.approx(hits / whole, abs=1e-12) if whole else None)
        # Jaccard's index J of the images that are it and those taken for it: F1 is 2J / (1 + J).
        overlap = hits / (count + taken - hits) if count + taken else None
        assert (row.f1 is None) == (overlap is None)
        assert overlap is None or row.f1 == pytest.approx(2 * overlap / (1 + overlap), abs=1e-12)


def test_without_images_every_class_has_a_row_without_figures():
    rows = class_rows([], ("a", "b"), {})
    assert [(row.name, row.count, row.recall, row.f1) for row in rows] == [
        ("a", 0, None, None),
        ("b", 0, None, None),
    ]


def test_the_interval_of_a_class_is_wilsons_of_its_recall():
    rows = class_rows([(0, 0, 3), (0, 1, 1), (1, 1, 2)], ("a", "b", "c"), {})
    for row, hits in zip(rows, (3, 2), strict=False):
        expected = binomtest(hits, row.count).proportion_ci(method="wilson")
        assert (row.lower, row.upper) == pytest.approx(tuple(expected), abs=1e-12)
    assert (rows[2].lower, rows[2].upper) == (None, None)


def test_images_without_a_class_count_as_wrong_and_are_in_no_matrix():
    cells = confusion_cells(np.array([0, 0, 1, 1]), np.array([-1, 0, 1, -1]))
    assert without_no_class(cells) == ((0, 0, 1), (1, 1, 1))
    assert [row.recall for row in class_rows(cells, ("a", "b"), {})] == [0.5, 0.5]
    assert [row.precision for row in class_rows(cells, ("a", "b"), {})] == [1.0, 1.0]


def test_images_without_a_probability_are_in_no_bin_and_the_error_stays_a_number():
    right = np.array([True, False, False])
    rows, error = calibration(np.array([0.75, 0.25, np.nan], np.float32), right)
    assert [row.count for row in rows] == [1, 1]
    assert error == pytest.approx(0.25)
    assert calibration(np.array([np.nan]), np.array([False])) == ((), None)


def test_the_change_is_against_the_baselines_recall():
    rows = class_rows([(0, 0, 3), (0, 1, 1), (1, 1, 2)], ("a", "b"), {0: 0.5})
    assert rows[0].change == pytest.approx(0.25)
    assert rows[1].change is None


@given(st.lists(st.tuples(st.floats(0.01, 0.99), st.booleans()), min_size=1, max_size=80))
def test_the_calibration_is_scikit_learns(pairs):
    probabilities = np.array([pair[0] for pair in pairs])
    # scikit-learn's bins are closed on the left and ours, as the paper's, on the right.
    probabilities[np.isclose(probabilities * 10, np.round(probabilities * 10))] += 0.001
    correct = np.array([pair[1] for pair in pairs])
    rows, error = calibration(probabilities, correct)
    accuracy, confidence = calibration_curve(correct, probabilities, n_bins=10)
    np.testing.assert_allclose([row.accuracy for row in rows], accuracy, atol=1e-9)
    np.testing.assert_allclose([row.confidence for row in rows], confidence, atol=1e-9)
    assert sum(row.count for row in rows) == len(pairs)
    weights = np.array([row.count for row in rows]) / len(pairs)
    assert error == pytest.approx(float((weights * abs(accuracy - confidence)).sum()), abs=1e-9)


def test_edges_belong_to_the_bin_below_and_the_ends_to_the_outer_bins():
    rows, _ = calibration(np.array([0.0, 0.1, 0.100001, 1.0]), np.array([True] * 4))
    assert [(row.lower, row.count) for row in rows] == [(0.0, 2), (0.1, 1), (0.9, 1)]


def test_nothing_judged_has_no_confusion_and_no_ratio():
    nothing = np.array([], np.int64)
    assert confusion_cells(nothing, nothing) == []
    (row,) = class_rows([], ("a",), {0: 1.0})
    assert (row.count, row.precision, row.recall, row.f1, row.change) == (0, None, None, None, None)


def test_nothing_judged_has_no_calibration():
    assert calibration(np.array([]), np.array([], bool)) == ((), None)
