"""Schedules as numbers; the seed's against Keras's own schedule."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.trainer.hyperrule import hyperrule
from components.trainer.schedule import (
    Schedule,
    hyperrule_schedule,
    keras_io_schedule,
    scaled_rate,
)


def test_the_seed_at_its_own_batch_size():
    schedule = keras_io_schedule(0.003, 64)
    assert schedule.learning_rate == pytest.approx(0.003 * 64 / 512)
    assert schedule.steps == 4000
    rates = [schedule.rate_at(step) for step in (200, 201, 300, 301, 400, 401)]
    assert rates == pytest.approx([3.75e-4, *[3.75e-5] * 2, *[3.75e-6] * 2, 3.75e-7])


@pytest.mark.parametrize(("batch", "steps"), [(512, 500), (128, 2000), (100, 2560), (96, 2666)])
def test_the_seed_stretches_its_length_and_not_its_boundaries(batch, steps):
    schedule = keras_io_schedule(0.003, batch)
    assert schedule.steps == steps
    assert schedule.boundaries == keras_io_schedule(0.003, 512).boundaries


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.0), (1, 0.1), (9, 0.9), (10, 1.0), (199, 1.0), (200, 0.1), (299, 0.1), (300, 0.01)],
)
def test_a_rate_rises_and_has_fallen_once_so_many_steps_are_done(step, rate):
    assert Schedule(1.0, 500, (200, 300, 400), 10).rate_at(step) == pytest.approx(rate)


def test_the_seeds_rates_are_keras_piecewise_constant_decay():
    import tf_keras as keras

    schedule = keras_io_schedule(0.003, 64)
    rate = 0.003 * 64 / 512
    decay = keras.optimizers.schedules.PiecewiseConstantDecay(
        [200, 300, 400], [rate * 0.1**power for power in range(4)]
    )
    for step in range(500):
        assert schedule.rate_at(step) == pytest.approx(float(decay(step)), rel=1e-6)


@pytest.mark.parametrize(("steps", "warmup"), [(500, 100), (60, 0), (7, 6), (1, 0), (5, 5)])
def test_a_cosine_is_numpys_and_big_visions(steps, warmup):
    """big_vision `utils.create_learning_rate_schedule`: a cosine times a warm-up to 1."""
    schedule = Schedule(0.3, steps, warmup=warmup, decay="cosine")
    every = np.arange(steps)
    progress = np.clip((every - warmup) / max(1, steps - warmup), 0, 1)
    expected = 0.3 * 0.5 * (1 + np.cos(np.pi * progress))
    expected *= np.minimum(1, every / warmup) if warmup else 1
    np.testing.assert_allclose([schedule.rate_at(step) for step in every], expected, rtol=1e-12)


def test_a_cosine_is_kerass():
    import tf_keras as keras

    schedule = Schedule(0.3, 90, warmup=10, decay="cosine")
    theirs = keras.optimizers.schedules.CosineDecay(0.0, 80, warmup_target=0.3, warmup_steps=10)
    for step in range(90):
        assert schedule.rate_at(step) == pytest.approx(float(theirs(step)), rel=1e-4)


def test_no_boundary_is_a_constant_rate():
    assert Schedule(0.1, 7).rate_at(6) == 0.1


@pytest.mark.parametrize(
    ("batch", "numbers"),
    [
        (512, (100, (200, 300, 400), 500)),
        (64, (800, (1_600, 2_400, 3_200), 4_000)),
        (128, (400, (800, 1_200, 1_600), 2_000)),
        (1_024, (50, (100, 150, 200), 250)),
        (4_096, (12, (25, 38, 50), 62)),
        (100, (512, (1_024, 1_536, 2_048), 2_560)),
    ],
)
def test_the_papers_warm_up_boundaries_and_length_stretch_together(batch, numbers):
    schedule = hyperrule_schedule(0.003, batch, hyperrule(1_000))
    assert (schedule.warmup, schedule.boundaries, schedule.steps) == numbers
    assert schedule.learning_rate == pytest.approx(0.003 * batch / 512)


def test_the_paper_at_batch_512_step_by_step():
    """google-research/big_transfer bit_hyperrule.get_lr, but for its slip at the boundaries."""
    for images in (1_000, 50_000, 1_000_000):
        rule = hyperrule(images)
        schedule = hyperrule_schedule(0.003, 512, rule)
        for step in range(rule.end):
            if step < rule.warmup:
                expected = 0.003 * step / rule.warmup
            else:
                expected = 0.003
                for boundary in rule.boundaries:
                    expected = expected / 10 if boundary <= step else expected
            assert schedule.rate_at(step) == pytest.approx(expected)


@given(batch=st.integers(1, 4_096), images=st.sampled_from([9, 20_000, 500_000]))
def test_the_paper_sees_as_many_images_whatever_the_batch(batch, images):
    rule = hyperrule(images)
    schedule = hyperrule_schedule(0.003, batch, rule)
    assert abs(rule.end * 512 - schedule.steps * batch) <= batch / 2
    for mine, papers in zip(schedule.boundaries, rule.boundaries, strict=True):
        assert abs(papers * 512 - mine * batch) <= batch / 2
    assert 0 < schedule.warmup < schedule.boundaries[0] < schedule.steps


@pytest.mark.parametrize("batch", [1, 64, 512, 4096])
def test_the_rate_scales_linearly(batch):
    assert scaled_rate(0.003, batch) == pytest.approx(0.003 * batch / 512)


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
    passed = sum(boundary <= steps - 1 for boundary in boundaries)
    assert rates[-1] == pytest.approx(rate * 0.1**passed)


@given(batch=st.integers(1, 10_000), base=st.floats(1e-6, 1))
def test_the_seed_sees_as_many_images_whatever_the_batch(batch, base):
    schedule = keras_io_schedule(base, batch)
    assert 0 <= 500 * 512 - schedule.steps * batch < batch
