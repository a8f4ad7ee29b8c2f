"""The baseline, chosen in a real metadata store."""

import pytest

from components.evaluator.baseline import (
    BestBlessedStrategy,
    LastBlessedStrategy,
    digest_of_classes,
)
from tests.components.evaluator.store import Store


@pytest.fixture
def store():
    return Store()


def test_there_is_none_before_the_first_blessing(store):
    assert store.resolve() == [[], []]
    store.judge(store.train(), blessed=0)
    assert store.resolve() == [[], []]


def test_a_model_that_was_rejected_since_does_not_count(store):
    first = store.train()
    blessing = store.judge(first)
    store.judge(store.train(), blessed=0)
    assert store.resolve() == [[first.id], [blessing.id]]


def test_an_old_model_that_is_blessed_again_is_the_last(store):
    first, second = store.train(), store.train()
    store.judge(first)
    store.judge(second)
    again = store.judge(first)
    assert store.resolve() == [[first.id], [again.id]]


def test_an_old_blessing_that_a_cached_evaluator_gives_again_is_the_last(store):
    first, second = store.train(), store.train()
    old = store.judge(first)
    store.judge(second)
    store.give(old)
    assert store.resolve() == [[first.id], [old.id]]


def test_a_blessing_whose_model_is_gone_does_not_count(store):
    first = store.train()
    blessing = store.judge(first)
    gone = store.train()
    store.judge(gone)
    store.channels["model"].remove(gone)
    assert store.resolve() == [[first.id], [blessing.id]]


def test_the_best_on_the_same_data_is_the_best_whenever_it_was(store):
    models = [store.train() for _ in range(4)]
    best = store.judge(models[0], accuracy=0.9, evaluation_data="a")
    store.judge(models[1], accuracy=0.8, evaluation_data="a")
    store.judge(models[2], accuracy=0.99, evaluation_data="b")
    store.judge(models[3], blessed=0, accuracy=0.95, evaluation_data="a")
    assert store.resolve(BestBlessedStrategy("abc", "a")) == [[models[0].id], [best.id]]
    assert store.resolve(BestBlessedStrategy("abc", "c")) == [[], []]


def test_of_equally_good_models_the_newer_is_the_best(store):
    first, second = store.train(), store.train()
    store.judge(first, accuracy=0.9, evaluation_data="a")
    newer = store.judge(second, accuracy=0.9, evaluation_data="a")
    assert store.resolve(BestBlessedStrategy("abc", "a")) == [[second.id], [newer.id]]


def test_a_model_of_other_classes_cannot_be_compared(store):
    first, other = store.train(), store.train()
    blessing = store.judge(first, accuracy=0.5, evaluation_data="a")
    store.judge(other, class_names="xyz", accuracy=0.9, evaluation_data="a")
    for strategy in (LastBlessedStrategy("abc"), BestBlessedStrategy("abc", "a")):
        assert store.resolve(strategy) == [[first.id], [blessing.id]]


def test_the_order_of_classes_counts():
    assert digest_of_classes(["a", "b"]) != digest_of_classes(["b", "a"])
