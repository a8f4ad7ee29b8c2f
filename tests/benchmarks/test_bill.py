"""The bill's arithmetic against a simulation that hands out shards one by one."""

import heapq
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.bill import Engine, Memory, StepCost, pays_from


def simulated(images, slots, shard_images, fixed_s, image_s):
    """Seconds until the last slot is done, where each takes the next shard when it is free."""
    left, free = images, [0.0] * slots
    while left > 0:
        taken = min(shard_images, left)
        left -= taken
        heapq.heapreplace(free, free[0] + taken * image_s)
    return fixed_s + max(free)


@given(st.integers(1, 40), st.integers(1, 60), st.integers(1, 500))
def test_full_shards_on_equal_slots_take_what_a_simulation_takes(slots, shards, shard_images):
    cost = StepCost(part=1.0, fixed_s=20.0, image_s=0.01, gain=1.0)
    images = shards * shard_images
    expected = simulated(images, slots, shard_images, 20.0, 0.01)
    assert cost.seconds(images, slots, shard_images) == pytest.approx(expected)


@given(st.integers(1, 40), st.integers(1, 10_000), st.integers(1, 500))
def test_a_last_shard_that_is_not_full_costs_a_round_at_most(slots, images, shard_images):
    cost = StepCost(part=1.0, fixed_s=0.0, image_s=0.01, gain=1.0)
    expected = simulated(images, slots, shard_images, 0.0, 0.01)
    assert abs(cost.seconds(images, slots, shard_images) - expected) <= shard_images * 0.01 + 1e-9


def test_more_slots_than_shards_gain_nothing():
    cost = StepCost(part=1.0, fixed_s=5.0, image_s=0.01, gain=0.9)
    times = [cost.seconds(4_000, slots, 1_000) for slots in (1, 2, 4, 8, 400)]
    assert times[0] > times[1] > times[2] == times[3] == times[4]


def test_a_part_of_the_images_is_a_part_of_the_time():
    whole, tenth = (StepCost(part, 0.0, 0.01, 1.0) for part in (1.0, 0.1))
    assert tenth.seconds(1_000_000, 10, 1_000) == pytest.approx(whole.seconds(100_000, 10, 1_000))


def test_slots_that_disturb_each_other_gain_less():
    cost = StepCost(part=1.0, fixed_s=0.0, image_s=1.0, gain=0.7)
    assert cost.seconds(20, 2, 1) == pytest.approx(20 / 1.7)
    assert cost.speed(11) == pytest.approx(8)


def test_ten_million_images_by_hand():
    steps = {
        "ExampleGen": StepCost(part=1.0, fixed_s=40.0, image_s=0.004, gain=0.9),
        "Evaluator": StepCost(part=0.1, fixed_s=60.0, image_s=0.003, gain=0.8),
    }
    memory = Memory(slot_mb=1_700.0, cluster_mb=950.0, step_mb=900.0, step_image_mb=0.0006)
    # 10,000 and 1,000 shards of 1,000 images on 100 slots: 100 and 10 rounds, all full.
    hours = Engine(steps, memory).hours(10_000_000, slots=100, shard_images=1_000)
    assert hours["ExampleGen"] == pytest.approx((40 + 40_000 / (1 + 99 * 0.9)) / 3_600)
    assert hours["Evaluator"] == pytest.approx((60 + 3_000 / (1 + 99 * 0.8)) / 3_600)
    assert memory.cluster_gb(100) == pytest.approx(170.95)
    assert memory.step_gb(10_000_000) == pytest.approx(6.9)


def exactly(least, most):
    """Floats as fractions: in floats, two times that differ in the last bit can add up to one."""
    return st.floats(least, most).map(Fraction)


@given(
    exactly(1, 100), exactly(1e-4, 1e-1), exactly(0.2, 1), exactly(0, 10),
    exactly(1e-4, 1e-1), st.integers(1, 64),
)  # fmt: skip
def test_it_pays_from_where_the_two_take_equally_long(fixed, image, gain, alone, other, slots):
    tenth = Fraction(1, 10)
    cluster = Engine({"a": StepCost(1, fixed, image, gain), "b": StepCost(tenth, fixed, image, 1)})
    machine = Engine({"a": StepCost(1, alone, other, 1), "b": StepCost(tenth, alone, other, 1)})
    size = pays_from(cluster, machine, slots)

    def seconds(engine, images, slots):
        return sum(
            step.fixed_s + step.part * images * step.image_s / step.speed(slots)
            for step in engine.steps.values()
        )

    if size is None:
        assert seconds(cluster, 10**12, slots) >= seconds(machine, 10**12, 1) * (1 - 1e-6)
    elif size:
        both = seconds(cluster, size, slots), seconds(machine, size, 1)
        assert both[0] == pytest.approx(both[1], rel=1e-6)
        assert seconds(cluster, 2 * size, slots) < seconds(machine, 2 * size, 1)
    assert size is None or math.isfinite(size)
