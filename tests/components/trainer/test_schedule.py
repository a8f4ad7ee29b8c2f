"""Schedules as numbers; the seed's against Keras's own schedule."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.trainer.config import TrainingConfig
from components.trainer.schedule import Schedule, scaled_rate, seed_schedule


def test_the_seed_at_its_own_batch_size():
    schedule = seed_schedule(0.003, 64)
    assert schedule.learning_rate == pytest.approx(0.003 * 64 / 512)
    assert schedule.steps == 4000
    assert schedule.boundaries == (200, 300, 400)
    assert schedule.values == pytest.approx((3.75e-4, 3.75e-5, 3.75e-6, 3.75e-7))
    assert schedule.epochs(10) == 400


@pytest.mark.parametrize(("batch", "steps"), [(512, 500), (128, 2000), (100, 2560), (96, 2666)])
def test_the_seed_stretches_its_length_and_not_its_boundaries(batch, steps):
    schedule = seed_schedule(0.003, batch)
    assert schedule.steps == steps
    assert schedule.boundaries == (200, 300, 400)


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 1.0), (200, 1.0), (201, 0.1), (300, 0.1), (301, 0.01), (401, 0.001)]
)
def test_a_boundary_itself_has_the_old_rate(step, rate):
    assert Schedule(1.0, 500, (200, 300, 400)).rate_at(step) == pytest.approx(rate)


def test_rates_are_keras_piecewise_constant_decay():
    import tf_keras as keras

    schedule = Schedule(0.5, 30, (3, 10, 20))
    decay = keras.optimizers.schedules.PiecewiseConstantDecay([3, 10, 20], list(schedule.values))
    for step in range(30):
        assert schedule.rate_at(step) == pytest.approx(float(decay(step)), rel=1e-6)


def test_no_boundary_is_a_constant_rate():
    schedule = Schedule(0.1, 7, ())
    assert schedule.values == (0.1,)
    assert schedule.rate_at(6) == 0.1
    assert schedule.epochs(2) == 3


@pytest.mark.parametrize("batch", [1, 64, 512, 4096])
def test_the_rate_scales_linearly(batch):
    assert scaled_rate(0.003, batch) == pytest.approx(0.003 * batch / 512)


def test_the_configuration_makes_the_schedule_it_names():
    from components.trainer.run_fn import make_schedule

    assert make_schedule(TrainingConfig()) == seed_schedule(0.003, 64)
    explicit = TrainingConfig(
        batch_size=128,
        base_learning_rate=0.4,
        schedule={"steps": 50, "boundaries": [20, 40]},
        steps_per_epoch=5,
    )
    assert make_schedule(explicit) == Schedule(pytest.approx(0.1), 50, (20, 40))


@given(
    rate=st.floats(1e-6, 10),
    boundaries=st.sets(st.integers(1, 900), max_size=6),
    steps=st.integers(1, 1000),
)
def test_a_rate_never_rises_and_falls_tenfold_at_each_boundary(rate, boundaries, steps):
    schedule = Schedule(rate, steps, tuple(sorted(boundaries)))
    rates = [schedule.rate_at(step) for step in range(steps)]
    assert rates[0] == rate
    assert all(later <= earlier for earlier, later in itertools.pairwise(rates))
    passed = sum(boundary < steps - 1 for boundary in boundaries)
    assert rates[-1] == pytest.approx(rate * 0.1**passed)


@given(batch=st.integers(1, 10_000), base=st.floats(1e-6, 1))
def test_the_seed_sees_as_many_images_whatever_the_batch(batch, base):
    schedule = seed_schedule(base, batch)
    assert 0 <= 500 * 512 - schedule.steps * batch < batch
