"""Images that are there twice, found as brute force finds them."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data_gate import duplicates as module
from components.data_gate.duplicates import duplicates, images_of, match_within, near_duplicates
from components.example_gen.index import read_index
from tests.components.data_gate.indexes import row, table, write_index

NAMES = ("ant", "bee", "cow")


def images(**rows):
    return images_of({split: table(of_split) for split, of_split in rows.items()})


def exact(action="stop", **rows):
    return {check.subject: check for check in duplicates(images(**rows), NAMES, action)}


def near(distance, action="stop", **rows):
    (check,) = near_duplicates(images(**rows), distance, action)
    return check


def test_the_index_is_read_in_the_order_of_the_examples(tmp_path):
    rows = {"train": [row(f"{i}.png", i % 3) for i in range(5)], "eval": [row("2.png", 1)]}
    write_index(tmp_path, rows)
    found = images_of({split: read_index(str(tmp_path), split) for split in rows})
    assert found["train"].sources.to_pylist() == [f"{i}.png" for i in range(5)]
    assert found["train"].labels.tolist() == [0, 1, 2, 0, 1]
    assert found["eval"].contents[0] == found["train"].contents[2]
    assert found["train"].hashes.dtype == np.uint64


def test_data_without_duplicates_pass():
    found = exact(train=[row("a"), row("b")], eval=[row("c")], test=[row("d")])
    assert all(check.passed for check in found.values())
    assert set(found) == {
        "eval split", "test split", "test and eval splits", "train split", "labels"
    }  # fmt: skip


@pytest.mark.parametrize(("action", "stops"), [("stop", True), ("report", False)])
def test_the_same_bytes_in_train_and_another_split_are_named(action, stops):
    train = [row("t/0", 0, b"x"), row("t/1", 1, b"y"), row("t/2", 1, b"y"), row("t/3")]
    check = exact(action, train=train, eval=[row("e/0", 1, b"y"), row("e/1"), row("e/2", 0, b"x")])
    assert check["eval split"].refuses == stops
    assert check["eval split"].value == 2
    assert check["eval split"].sentence == (
        "2 of the 3 images of the eval split are in the train split too, byte for byte: "
        f"e/0 is t/1, e/2 is t/0 (data_gate.duplicates: {action})"
    )


def test_eval_and_test_are_compared_too_for_training_looks_at_eval():
    rows = {"eval": [row("e", 0, b"x", 7)], "test": [row("t", 0, b"x", 7), row("u", 0, b"y", 6)]}
    check = exact(train=[row("a", phash=2**64 - 1)], **rows)["test and eval splits"]
    assert check.refuses
    assert check.sentence.startswith("1 of the 2 images of the test split is in the eval split too")
    checks = near_duplicates(images(train=[row("a", phash=2**64 - 1)], **rows), 2, "stop")
    (alike,) = (check for check in checks if not check.passed)
    assert alike.subject == "test and eval splits"
    assert "u like e" in alike.sentence


def test_of_many_duplicates_a_few_are_named():
    rows = [row(f"t/{i}", 0, bytes([i])) for i in range(50)]
    found = exact(train=rows, eval=[each._replace(source=f"e{each.source}") for each in rows])
    assert "et/0 is t/0, et/1 is t/1, et/2 is t/2 and 47 more" in found["eval split"].sentence


def test_copies_inside_train_are_counted_and_stop_nothing():
    train = [row("a", 0, b"x"), row("b", 0, b"x"), row("c", 0, b"x"), row("d", 0, b"y")]
    found = exact(train=train, eval=[row("e"), row("f", 0, b"z"), row("g", 0, b"z")])
    assert found["train split"].value == 2
    assert not found["train split"].passed
    assert not any(check.refuses for check in found.values())
    assert found["labels"].passed


def test_the_same_bytes_under_two_classes_are_named_with_split_and_class():
    train = [row("a", 0, b"x"), row("b", 2, b"x"), row("c", 1, b"y"), row("d", 1, b"y")]
    labels = exact(train=train, eval=[row("e", 0, b"y"), row("f", 1, b"y"), row("g", 1)])["labels"]
    assert labels.value == 2
    assert not labels.stops
    assert labels.sentence == (
        "2 images are in the data under more than one class, byte for byte the same: "
        "train a ('ant') and train b ('cow'), eval e ('ant') and train c ('bee'); one label of "
        "each is wrong"
    )


def test_an_image_under_three_classes_is_one_image():
    train = [row("a", 0, b"x"), row("b", 1, b"x"), row("c", 2, b"x")]
    assert exact(train=train, eval=[row("d")])["labels"].value == 1


@pytest.mark.parametrize(("action", "stops"), [("stop", True), ("report", False)])
def test_images_that_look_alike_are_named(action, stops):
    train = [row("t/0", phash=0b1111), row("t/1", phash=1 << 63)]
    other = [row("e/0", phash=0b1100), row("e/1", phash=0b1111), row("e/2", phash=~0 & (2**64 - 1))]
    check = near(2, action, train=train, eval=other)
    assert check.refuses == stops
    assert check.value == 2
    assert check.sentence == (
        "2 of the 3 images of the eval split look like one of the train split (perceptual hashes "
        f"within 2 of 64 bits): e/0 like t/0, e/1 like t/0 (data_gate.near_duplicates: {action})"
    )
    assert near(0, train=train, eval=other).value == 1


def test_exact_duplicates_are_not_near_ones():
    train = [row("t", image=b"x", phash=5), row("u", phash=6)]
    check = near(3, train=train, eval=[row("e", image=b"x", phash=5), row("f", phash=2**64 - 1)])
    assert check.passed
    assert check.sentence == "no image of the eval split looks like one of the train split"


def test_many_images_of_one_hash_are_quick():
    blank = [row(f"{i}", phash=0) for i in range(3_000)]
    started = time.monotonic()
    check = near(3, train=blank, eval=[row(f"e{i}", phash=1) for i in range(3_000)])
    assert check.value == 3_000
    assert time.monotonic() - started < 5


def test_hashes_that_agree_in_half_of_their_bits_are_quick():
    """As of drawings on a white ground; in halves, most pairs would be candidates."""
    generator = np.random.default_rng(3)
    free = np.uint64(0xFFFFFFFF) << np.uint64(16)
    hashes = np.unique(generator.integers(0, 2**64, 50_000, np.uint64) & free)
    started = time.monotonic()
    assert (match_within(hashes, hashes ^ np.uint64(7 << 20), 3) >= 0).all()
    assert time.monotonic() - started < 5


HASHES = st.one_of(
    st.integers(0, 2**64 - 1),
    # Close to one another, so that there is something to find.
    st.sets(st.integers(0, 63), max_size=5).map(lambda bits: sum(1 << bit for bit in bits)),
)


@settings(max_examples=300)
@given(
    st.lists(HASHES, max_size=30, unique=True),
    st.lists(HASHES, max_size=30),
    st.integers(0, 3),
    st.sampled_from([1, 7, 1 << 22]),
)
def test_the_search_finds_what_brute_force_finds(train, wanted, distance, pairs):
    train = np.sort(np.array(train, np.uint64))
    wanted = np.array(wanted, np.uint64)
    before, module._PAIRS = module._PAIRS, pairs
    try:
        found = match_within(train, wanted, distance)
    finally:
        module._PAIRS = before
    for one, index in zip(wanted.tolist(), found.tolist(), strict=True):
        within = [i for i, h in enumerate(train.tolist()) if bin(h ^ one).count("1") <= distance]
        assert (index in within) if within else (index == -1)


@pytest.mark.parametrize("distance", [0, 1, 2, 3])
def test_every_flip_of_so_many_bits_is_found(distance):
    generator = np.random.default_rng(7)
    hashes = np.unique(generator.integers(0, 2**64, 500, np.uint64))
    for _ in range(20):
        bits = generator.choice(64, distance, replace=False)
        flipped = hashes ^ np.bitwise_or.reduce(np.uint64(1) << bits.astype(np.uint64))
        assert (match_within(hashes, flipped, distance) >= 0).all()
