"""The images that trials are judged on."""

import numpy as np
import pytest
import tensorflow as tf

from components.errors import UserError
from components.trainer.input_pipeline import Split, subset_of
from components.tuner.holdout import held_out_count, hold_out


@pytest.mark.parametrize(
    ("count", "share", "held_out"), [(100, 0.15, 15), (7, 0.1, 1), (3, 0.4, 1)]
)
def test_it_is_the_nearest_whole_number(count, share, held_out):
    assert held_out_count(count, share, classes=2) == held_out


def test_nothing_to_judge_on():
    with pytest.raises(UserError, match=r"search\.holdout 0\.01 of 20 training images"):
        held_out_count(20, 0.01, classes=2)


def test_too_little_to_learn_from():
    with pytest.raises(UserError, match="leaves 9 of 90 training images to learn 10 classes"):
        held_out_count(90, 0.9, classes=10)
    assert held_out_count(100, 0.9, classes=10) == 90


def test_the_draw_is_the_seeds_and_spread_over_the_split():
    first = hold_out(1000, 150, seed=1)
    assert first.sum() == 150
    np.testing.assert_array_equal(hold_out(1000, 150, seed=1), first)
    assert not np.array_equal(hold_out(1000, 150, seed=2), first)
    assert all(5 <= tenth.sum() <= 25 for tenth in np.split(first, 10))


def test_the_two_parts_are_the_split_without_an_overlap():
    whole = Split(tf.data.Dataset.range(100, 300), 200, lambda rows: (rows, rows), 32)
    chosen = hold_out(200, 30, seed=3)
    held_out, rest = subset_of(whole, chosen), subset_of(whole, ~chosen)
    assert (held_out.count, rest.count) == (30, 170)
    found = [list(part.elements.as_numpy_iterator()) for part in (held_out, rest)]
    assert [len(part) for part in found] == [30, 170]
    assert found[0] == sorted(found[0]) == [100 + place for place in np.flatnonzero(chosen)]
    assert sorted(found[0] + found[1]) == list(range(100, 300))
