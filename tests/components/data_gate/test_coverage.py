"""Classes that a split lacks, and data in the order of their classes."""

import re

import numpy as np
import pytest
import tensorflow_datasets as tfds
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from components.data_gate.coverage import interleaved, missing_classes, order_of, ordered_slices

NAMES = ("ant", "bee", "cow")
HALVES = {"train": "train[:85%]", "eval": "train[85%:]"}


def labels(**found):
    return {split: np.array(each, np.int64) for split, each in found.items()}


def halves(everything, percent=85):
    cut = round(len(everything) * percent / 100)
    return labels(train=everything[:cut], eval=everything[cut:])


def sorted_by_class(classes, of_each):
    return np.repeat(np.arange(classes), of_each)


@pytest.mark.parametrize(("action", "stops"), [("stop", True), ("report", False)])
def test_missing_classes_are_named(action, stops):
    found = labels(train=[0, 1, 0, 2, 0, 2], test=[1])
    train, test = missing_classes(found, "test", {}, NAMES, action)
    assert train.passed
    assert test.refuses == stops
    assert test.value == 2
    assert test.sentence == (
        "2 of the 3 classes have no image in the test split: 'ant', 'cow' "
        f"(data_gate.missing_classes: {action}). The model can fail on a class that is never "
        "evaluated, and still pass the gates. Add images of them, or take a larger slice. To run "
        "anyway, add --set data_gate.missing_classes=report"
    )


def test_a_class_that_is_judged_and_never_trained_is_named():
    train, judged = missing_classes(labels(train=[0, 1], eval=[0, 1, 2]), "eval", {}, NAMES, "stop")
    assert train.refuses
    assert "'cow'" in train.sentence
    assert "evaluated but never trained on is always wrong" in train.sentence
    assert judged.passed


def test_a_class_without_any_image_is_said_and_stops_nothing():
    checks = list(missing_classes(labels(train=[0, 2], eval=[0, 2]), "eval", {}, NAMES, "stop"))
    assert not any(check.refuses for check in checks)
    assert [check.passed for check in checks] == [True, True, False]
    assert "'bee'" in checks[-1].sentence


def test_of_a_split_without_any_image_another_check_speaks():
    (train,) = missing_classes(labels(train=[0, 1, 2], eval=[]), "eval", {}, NAMES, "stop")
    assert train.passed


def test_a_model_that_is_judged_on_what_it_trains_on_has_one_split_to_look_at():
    (check,) = missing_classes(labels(train=[0, 1, 2], eval=[0]), "train", {}, NAMES, "stop")
    assert check.passed


@pytest.mark.parametrize(("classes", "of_each"), [(2, 10), (3, 4), (3, 100), (10, 5), (1_000, 5)])
def test_sorted_data_are_known_and_shuffled_data_are_not(classes, of_each):
    found = sorted_by_class(classes, of_each)
    assert order_of(halves(found)).by_class
    random = np.random.default_rng(0)
    for _ in range(20):
        assert not order_of(halves(random.permutation(found))).by_class
        assert not order_of(halves(random.permutation(found))).by_class


@given(st.lists(st.integers(0, 4), min_size=2, max_size=7))
@settings(max_examples=25)
def test_the_mean_number_of_runs_is_that_of_all_orders(found):
    import itertools

    orders = np.array(list(itertools.permutations(found)))
    runs = 1 + (orders[:, 1:] != orders[:, :-1]).sum(axis=1)
    order = order_of(labels(train=found))
    assert order.shuffled == pytest.approx(runs.mean())
    assert order.deviation == pytest.approx(runs.std(), abs=1e-9)


def test_shuffled_data_that_are_very_unlike_are_no_false_alarm():
    random = np.random.default_rng(1)
    rare = random.permutation(np.r_[np.zeros(990, int), np.ones(10, int)])
    assert not order_of(halves(rare)).by_class
    # Train holds classes 0 to 4 and eval 5 to 9, both shuffled.
    found = labels(train=random.integers(0, 5, 500), eval=random.integers(5, 10, 100))
    assert not order_of(found).by_class


def test_the_order_in_which_splits_are_listed_does_not_matter():
    found = halves(sorted_by_class(3, 100))
    assert order_of(dict(reversed(found.items()))) == order_of(found)
    assert order_of(found).runs == 3


def test_a_slice_of_sorted_data_is_said_to_be_one_with_numbers():
    found = halves(sorted_by_class(3, 100))
    check = ordered_slices(found, HALVES, NAMES)
    assert (check.passed, check.stops) == (False, False)
    assert check.sentence == (
        "slices of data that are stored class by class: train 'train[:85%]' holds 3 of 3 classes, "
        "eval 'train[85%:]' holds 1 of 3 classes; the 300 images form 3 runs of one class; a "
        "shuffled order has 201 on average (data.splits)"
    )


def test_whole_splits_that_are_sorted_and_slices_of_shuffled_data_pass():
    found = labels(train=sorted_by_class(3, 100), eval=sorted_by_class(3, 20))
    assert ordered_slices(found, {"train": "train", "eval": "test"}, NAMES).passed
    shuffled = halves(np.random.default_rng(2).permutation(sorted_by_class(3, 100)))
    assert ordered_slices(shuffled, HALVES, NAMES).passed
    blocks = interleaved(halves(sorted_by_class(3, 100)), "eval", HALVES)
    assert ordered_slices(found, blocks, NAMES).passed
    assert ordered_slices(labels(train=[], eval=[]), HALVES, NAMES).passed
    assert ordered_slices(labels(train=[0], eval=[]), HALVES, NAMES).passed


@given(
    st.lists(st.integers(20, 200), min_size=2, max_size=12),
    st.integers(5, 95),
    st.booleans(),
)
@settings(max_examples=25)
def test_what_is_to_be_typed_takes_every_class_into_both_splits(sizes, percent, swapped):
    """As tfds reads it."""
    found = np.repeat(np.arange(len(sizes)), sizes)
    head, tail = ("eval", "train") if swapped else ("train", "eval")
    slices = {head: f"train[:{percent}%]", tail: f"train[{percent}%:]"}
    cut = round(len(found) * percent / 100)
    given_labels = {head: found[:cut], tail: found[cut:]}
    typed = interleaved(given_labels, "eval", slices)
    assume(typed)
    info = tfds.core.splits.SplitInfo(
        name="train", shard_lengths=[len(found)], num_bytes=0,
        filename_template=tfds.core.naming.ShardedFileTemplate(data_dir="/x", dataset_name="y"),
    )  # fmt: skip
    taken = {}
    for split, slice_ in typed.items():
        pieces = tfds.core.ReadInstruction.from_spec(slice_).to_absolute({"train": info})
        ends = [len(found) if piece.to is None else piece.to for piece in pieces]
        taken[split] = np.concatenate(
            [np.arange(piece.from_ or 0, end) for piece, end in zip(pieces, ends, strict=True)]
        )
        assert set(found[taken[split]]) == set(found)
    assert sorted(np.concatenate(list(taken.values()))) == list(range(len(found)))
    assert 0.1 < len(taken["eval"]) / len(found) < 0.3


@pytest.mark.parametrize(
    "slices",
    [
        {"train": "train[:50%]", "eval": "train[85%:]"},
        {"train": "train[:85]", "eval": "train[85:]"},
        {"train": "train[:85%]", "eval": "test[85%:]"},
        {"train": "train", "eval": "test"},
        {"train": "train[:85%]", "eval": "train[85%:]", "test": "test"},
        {"train": "train[:60%]", "eval": "train[60%:]"},
        {},
    ],
)
def test_nothing_is_suggested_where_it_is_not_known_what_it_would_take(slices):
    assert interleaved(halves(sorted_by_class(3, 100)), "eval", slices) == {}


def test_of_more_classes_than_blocks_another_cure_is_named():
    found = halves(sorted_by_class(200, 5))
    names = tuple(map(str, range(200)))
    _, judged = missing_classes(found, "eval", HALVES, names, "stop")
    assert judged.refuses
    assert "170 of the 200 classes have no image in the eval split" in judged.sentence
    assert "shuffle the records when they are written" in judged.sentence
    assert not re.search("--set data.splits", judged.sentence)
