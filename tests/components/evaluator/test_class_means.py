"""Balanced accuracy and macro-F1: against scikit-learn, and how often their intervals hold."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from components.evaluator.class_means import class_means
from components.evaluator.config import EvaluationConfig
from components.evaluator.gates import judge
from components.evaluator.intervals import LEAST_IMAGES, mean_of_shares, wilson
from components.transform.features import NO_CLASS

DRAWS = 1_000

answers = st.lists(st.tuples(st.integers(0, 6), st.integers(NO_CLASS, 6)), min_size=1, max_size=60)


@given(answers)
@settings(max_examples=200, deadline=None)
def test_both_are_scikit_learns_also_of_classes_that_the_split_lacks(given_):
    labels, predicted = np.array(given_).T
    found = class_means(labels, predicted)
    with warnings.catch_warnings():
        # That a class was predicted which has no images.
        warnings.simplefilter("ignore")
        balanced = balanced_accuracy_score(labels, predicted)
    seen = sorted({*labels, *predicted} - {NO_CLASS})
    macro = f1_score(labels, predicted, labels=seen, average="macro", zero_division=0)
    assert found["balanced_accuracy"].value == pytest.approx(balanced, abs=1e-9)
    assert found["macro_f1"].value == pytest.approx(macro, abs=1e-9)
    for each in found.values():
        assert each.count == len(labels)
        if each.lower is not None:
            assert 0 <= each.lower <= each.upper <= 1


def test_a_class_without_images_counts_in_the_f1_alone_and_there_if_it_was_predicted():
    labels = np.array([0] * 5 + [1] * 5)
    never = class_means(labels, labels)
    assert [each.value for each in never.values()] == [1, 1]
    once = class_means(labels, np.array([0] * 5 + [1] * 4 + [2]))
    assert once["balanced_accuracy"].value == pytest.approx(0.9)
    assert once["macro_f1"].value == pytest.approx((1 + 8 / 9 + 0) / 3)


def test_without_images_there_is_nothing():
    assert class_means(np.array([], np.int64), np.array([], np.int64)) == {}


def test_of_one_share_it_is_wilsons_interval():
    assert mean_of_shares(np.array([45.0]), np.array([50])) == pytest.approx(wilson(45, 50))


@pytest.mark.parametrize(
    ("sizes", "held"),
    [([16] * 10, 0.91), ([100] * 10, 0.93), ([400, 100, 50], 0.93), ([100, *[2] * 9], 0.86)],
    ids=str,
)
def test_the_interval_of_the_balanced_accuracy_holds_it(sizes, held):
    """Recalls are drawn from 0.6 to 0.99; of two images a class any interval knows little."""
    random = np.random.default_rng(3)
    trials, hits = np.array(sizes), 0
    for _ in range(DRAWS):
        recalls = random.uniform(0.6, 0.99, len(sizes))
        lower, upper = mean_of_shares(random.binomial(trials, recalls).astype(float), trials)
        hits += lower <= recalls.mean() <= upper
    assert held <= hits / DRAWS <= 0.97


def confused(random, sizes):
    """Probabilities of the answers by class, and the macro-F1 that they have in the long run."""
    classes = len(sizes)
    recalls = random.uniform(0.6, 0.99, classes)
    cells = random.dirichlet(np.ones(classes), classes)
    np.fill_diagonal(cells, 0)
    cells *= ((1 - recalls) / cells.sum(1))[:, np.newaxis]
    np.fill_diagonal(cells, recalls)
    counts = cells * np.array(sizes)[:, np.newaxis]
    return cells, np.mean(2 * np.diag(counts) / (counts.sum(0) + counts.sum(1)))


@pytest.mark.parametrize("sizes", [[16] * 10, [100] * 5, [100, 20, 20]], ids=str)
def test_the_interval_of_the_macro_f1_holds_it(sizes):
    random, hits = np.random.default_rng(4), 0
    for _ in range(200):
        cells, truth = confused(random, sizes)
        labels = np.repeat(np.arange(len(sizes)), sizes)
        predicted = np.concatenate(
            [random.choice(len(sizes), size, p=row) for size, row in zip(sizes, cells, strict=True)]
        )
        found = class_means(labels, predicted)["macro_f1"]
        hits += found.lower <= truth <= found.upper
    assert 0.9 <= hits / 200 <= 0.99


def test_neither_order_nor_run_matters_to_the_bit():
    random = np.random.default_rng(5)
    labels, predicted = random.integers(0, 5, (2, 200))
    order = random.permutation(200)
    assert class_means(labels, predicted) == class_means(labels[order], predicted[order])


def test_few_and_equal_answers_have_no_interval_of_the_f1_but_one_of_the_recalls():
    few = class_means(np.zeros(LEAST_IMAGES - 1, int), np.zeros(LEAST_IMAGES - 1, int))
    same = class_means(np.arange(40) % 2, np.arange(40) % 2)
    for found in (few, same):
        assert found["macro_f1"].lower is None
        assert 0 < found["balanced_accuracy"].lower < found["balanced_accuracy"].upper == 1


@pytest.mark.parametrize("name", ["balanced_accuracy", "macro_f1"])
def test_each_is_a_gate_of_its_own_that_can_be_confident(name):
    random = np.random.default_rng(6)
    labels = random.integers(0, 3, 300)
    means = class_means(labels, np.where(random.random(300) < 0.9, labels, 0))
    value, lower = means[name].value, means[name].lower

    def gate(limit, **more):
        config = EvaluationConfig(**{f"min_{name}": limit}, **more)
        (found,) = judge(config, {}, None, ("a", "b", "c"), means=means)
        return found

    assert gate(value - 0.001).passed
    low = gate(value + 0.001)
    assert not low.passed
    assert f"is below evaluation.min_{name}" in low.sentence
    sure = gate(value - 0.001, confident=True)
    assert (sure.passed, sure.value, sure.point) == (False, lower, value)
    assert "(Wilson)" not in sure.sentence
    (missing,) = judge(EvaluationConfig(**{f"min_{name}": 0.1}), {}, None, ())
    assert "no image in the eval split" in missing.sentence
