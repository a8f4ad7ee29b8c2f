"""The draw of K examples of every class: exact, fair, and the same however the data lies."""

import collections
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import UserError
from components.example_gen.few_shot import (
    candidates,
    check_enough,
    first_passing,
    numbered,
    only_drawn,
    order_key,
    smallest,
    with_starts,
)
from components.example_gen.sources.tfds_shard import TfdsShard

CLASSES = 4


def cut(count, cuts):
    """A split of `count` records in files that end at `cuts`."""
    edges = sorted({0, count, *(at for at in cuts if at < count)})
    runs = list(itertools.pairwise(edges))
    return [
        TfdsShard(
            "train", index, len(runs), f"file-{index}", 0, end - begin, file_format="tfrecord"
        )
        for index, (begin, end) in enumerate(runs)
    ]


def draw(labels, shards, k, seed):
    """Positions in the split by class, drawn as Beam does from shards in any order."""
    starts = {shard.index: start for start, shard in with_starts(shards)}
    found = collections.defaultdict(list)
    for shard in shards:
        start = starts[shard.index]
        inside = labels[start : start + shard.take]
        those = candidates(start, shard, inside, seed, CLASSES)
        for label, candidate in smallest(those, k):
            found[label].append(candidate)
    return {
        label: sorted(starts[index] + record for _, (index, record) in sorted(those)[:k])
        for label, those in found.items()
    }


splits = st.lists(st.integers(-1, CLASSES - 1), min_size=1, max_size=60)


@given(splits, st.sets(st.integers(1, 59)), st.integers(1, 20), st.integers(0, 1 << 40))
def test_each_class_gives_k_of_its_own_and_none_twice(labels, cuts, k, seed):
    drawn = draw(labels, cut(len(labels), cuts), k, seed)
    for label in range(CLASSES):
        positions = drawn.get(label, [])
        assert len(positions) == min(k, labels.count(label))
        assert len(set(positions)) == len(positions)
        assert all(labels[position] == label for position in positions)
    assert set(drawn) <= set(range(CLASSES))


@given(splits, st.sets(st.integers(1, 59)), st.sets(st.integers(1, 59)), st.randoms())
def test_neither_the_files_nor_their_order_decide(labels, cuts, other_cuts, order):
    shards = cut(len(labels), other_cuts)
    order.shuffle(shards)
    assert draw(labels, shards, 3, 42) == draw(labels, cut(len(labels), cuts), 3, 42)


@given(splits, st.integers(1, 10), st.integers(0, 9))
def test_a_larger_draw_holds_the_smaller_one(labels, k, seed):
    shards = cut(len(labels), ())
    smaller, larger = (draw(labels, shards, size, seed) for size in (k, k + 1))
    assert all(set(smaller[label]) <= set(larger[label]) for label in smaller)


def test_every_pair_is_as_likely_as_any_other():
    """Of 6 records 2 are drawn, 6,000 times: each of the 15 pairs 400 times, but for chance."""
    shards, drawn = cut(6, {3}), collections.Counter()
    for seed in range(6000):
        drawn[tuple(draw([0] * 6, shards, 2, seed)[0])] += 1
    assert len(drawn) == 15
    # The 99.9th percentile of chi-squared with 14 degrees of freedom.
    assert sum((count - 400) ** 2 / 400 for count in drawn.values()) < 36.1


def test_a_seed_draws_the_same_for_ever():
    """On whatever version of Python or Beam: the numbers were written down."""
    assert order_key(42, 0).startswith("547345cae1ce")
    labels = [position % CLASSES for position in range(1000)]
    assert draw(labels, cut(1000, ()), 3, 42)[0] == [88, 456, 660]
    assert draw(labels, cut(1000, ()), 3, 43)[0] == [220, 560, 984]


def test_neighbouring_seeds_and_positions_have_nothing_in_common():
    keys = {order_key(seed, position) for seed in range(30) for position in range(200)}
    assert len(keys) == 6000


def test_a_record_of_no_class_is_never_drawn():
    labels = [-1, 0, CLASSES, 1, 1 << 40]
    assert draw(labels, cut(5, {2}), 5, 42) == {0: [1], 1: [3]}


@pytest.mark.parametrize("there", [2, 4])
def test_a_file_that_holds_other_than_it_says_is_damaged(there):
    (shard,) = cut(3, ())
    with pytest.raises(RuntimeError, match=rf"{there} records were read from file-0, .* has 3"):
        list(candidates(0, shard, [0] * there, 42, CLASSES))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers())), st.integers(1, 5))
def test_of_a_shard_only_what_can_be_drawn_goes_on(found, wanted):
    keyed = [(label, (f"{key:+025d}", (0, 0))) for label, key in found]
    kept = list(smallest(iter(keyed), wanted))
    for label in range(3):
        expected = sorted(candidate for of, candidate in keyed if of == label)[:wanted]
        assert sorted(candidate for of, candidate in kept if of == label) == expected


def test_shards_without_a_drawn_record_are_left_out():
    places = [(0, 8), (3, 1), (0, 2)]
    random.Random(1).shuffle(places)
    first, second = numbered(only_drawn(cut(40, {10, 20, 30}), places))
    assert (first.index, first.count, first.path, first.drawn) == (0, 2, "file-0", (2, 8))
    assert (second.index, second.count, second.path, second.drawn) == (1, 2, "file-3", (1,))


def test_classes_that_have_too_few_are_named_with_what_they_have():
    places = [(0, 0), (0, 1), (0, 2)]
    check_enough({0: places, 1: places}, 3, ("cat", "dog"), "here")
    with pytest.raises(UserError) as error:
        check_enough({0: places[:2], 2: places}, 3, ("cat", "dog", "eel"), "here")
    assert str(error.value) == (
        "data.examples_per_class 3: in here, class 'cat' has 2, 'dog' has 0. Set a "
        "smaller number, or give a larger slice."
    )


def test_of_a_thousand_classes_some_are_named():
    with pytest.raises(UserError, match=r"'c9' has 0 and 990 more have too few. Set") as error:
        check_enough({}, 1, [f"c{number}" for number in range(1000)], "here")
    assert "c10" not in str(error.value)


places = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 50)), unique=True)


@given(st.dictionaries(st.integers(0, 4), places), st.data(), st.integers(1, 8))
def test_a_draw_goes_on_past_what_does_not_pass(found, data, wanted):
    everything = [place for of_label in found.values() for place in of_label]
    passing = set(data.draw(st.lists(st.sampled_from(everything))) if everything else [])
    drawn = first_passing(found, passing, wanted)
    assert drawn.keys() == found.keys()
    for label, of_label in drawn.items():
        assert of_label == found[label][: len(of_label)]
        passed = [place for place in of_label if place in passing]
        if len(passed) == wanted:
            assert of_label[-1] in passing
        else:
            assert len(passed) < wanted
            assert of_label == found[label]


def test_shards_are_numbered_anew():
    chosen = numbered(cut(40, {10, 20, 30})[1:])
    assert [(shard.index, shard.count, shard.path) for shard in chosen] == [
        (0, 3, "file-1"),
        (1, 3, "file-2"),
        (2, 3, "file-3"),
    ]
