"""Slices: what tfds's syntax names, and that no record is in two splits."""

import pytest
import tensorflow_datasets as tfds
from hypothesis import given
from hypothesis import strategies as st

from components.errors import UserError
from components.example_gen.sources.slices import Run, check_once, runs_of, settle
from tests import slicing


def splits(**counts):
    return {
        name: tfds.core.SplitInfo(name=name, shard_lengths=[count], num_bytes=0)
        for name, count in counts.items()
    }


def positions(runs, split="train"):
    return [at for run in runs if run.split == split for at in range(run.begin, run.end)]


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.just(n), slicing.slices(n))))
def test_a_slice_names_what_python_says_it_does(drawn):
    count, (slice_, expected) = drawn
    runs = runs_of(slice_, splits(train=count))
    assert positions(runs) == expected
    assert all(0 <= run.begin < run.end <= count for run in runs)


@given(st.integers(7, 400).flatmap(lambda n: st.tuples(st.just(n), slicing.partitions(n))))
def test_slices_that_partition_lose_no_record_and_share_none(drawn):
    count, slices = drawn
    settled = settle(slices, splits(train=count), "x")
    found = [at for runs in settled.values() for at in positions(runs)]
    assert sorted(found) == list(range(count))


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), *[slicing.slices(n)] * 3)))
def test_a_shared_record_is_always_found_and_counted(drawn):
    count, *found = drawn
    if not all(expected for _, expected in found):
        return
    slices = dict(zip(("train", "eval", "test"), (text for text, _ in found), strict=True))
    sets = [set(expected) for _, expected in found]
    shared = [len(a & b) for a, b in ((sets[0], sets[1]), (sets[0], sets[2]), (sets[1], sets[2]))]
    if not any(shared):
        assert settle(slices, splits(train=count), "x").keys() == slices.keys()
        return
    with pytest.raises(UserError, match="share") as error:
        settle(slices, splits(train=count), "x")
    assert f"share {next(filter(None, shared))} records of x" in str(error.value)


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), slicing.slices(n))))
def test_a_record_that_is_taken_twice_is_found(drawn):
    count, (slice_, expected) = drawn
    runs = runs_of(slice_, splits(train=count))
    if len(set(expected)) == len(expected):
        check_once(slice_, runs)
        return
    with pytest.raises(UserError, match=r"data\.splits\.train .* twice"):
        check_once(slice_, runs)


def test_two_slices_that_overlap_are_named_with_how_many_they_share():
    slices = {"train": "train[:85%]", "eval": "train[80%:]", "test": "test"}
    with pytest.raises(UserError) as error:
        settle(slices, splits(train=10_000, test=5), "birds/1.0.0")
    assert str(error.value) == (
        "data.splits.train 'train[:85%]' and data.splits.eval 'train[80%:]' share 500 records of "
        "birds/1.0.0. Change them so that they do not overlap."
    )


def test_the_same_positions_of_two_splits_are_other_records():
    slices = {"train": "train+extra[:5]", "eval": "extra[5:]", "test": "test"}
    settled = settle(slices, splits(train=9, extra=9, test=9), "x")
    assert settled["train"] == (Run("train", 0, 9), Run("extra", 0, 5))


def test_a_slice_that_ends_before_it_begins_is_empty():
    """tfds reads `train[4:3]` as `train[4:]`."""
    assert runs_of("train[4:3]", splits(train=7)) == ()
    assert runs_of("train[:2]+train[4:3]", splits(train=7)) == (Run("train", 0, 2),)
    with pytest.raises(UserError, match=r"data\.splits\.eval 'train\[4:3\]' selects no record"):
        settle({"eval": "train[4:3]"}, splits(train=7), "x")


def test_all_is_every_split():
    assert runs_of("all", splits(a=2, b=3)) == (Run("a", 0, 2), Run("b", 0, 3))


@pytest.mark.parametrize(
    ("slice_", "words"),
    [
        ("validation", "Unknown split 'validation'"),
        ("train[", "Error parsing split"),
        ("train[:]", "Error parsing split"),
        ("train[1.5:]", "Error parsing split"),
        ("all[:5%]", "Error parsing split"),
        ("train++train", "Error parsing split"),
        ("train[:8]", "incompatible with 7 examples"),
        ("train[:0]", "selects no record"),
        ("train[:1%]", "selects no record"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_there_is(slice_, words):
    with pytest.raises(UserError, match=words) as error:
        settle({"test": slice_}, splits(train=7, extra=1), "birds/1.0.0")
    text = str(error.value)
    assert text.startswith(f"data.splits.test {slice_!r}")
    assert "birds/1.0.0" in text
    assert "selects" in text or text.endswith("birds/1.0.0 has: extra, train.")
