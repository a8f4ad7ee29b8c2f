"""Intervals: against scipy, and how often they hold what they should."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, bootstrap

from components.evaluator.intervals import LEAST_IMAGES, of_means, wilson

HIGHEST = -math.log(1e-7)
DRAWS = 2_000
COVERED = (0.94, 0.96)


def of_mean(values, highest):
    """The interval of one sample; None where there is none."""
    (lower,), (upper,) = of_means(np.asarray(values)[np.newaxis], highest)
    return (lower, upper) if math.isfinite(lower + upper) else None


def model_losses(random, shape, margin=2.0, spread=2.0):
    """Of a model whose margin of the true class is normal: these are 0.84 right."""
    return np.log1p(np.exp(-random.normal(margin, spread, shape)))


def half_width(ends):
    return (ends[1] - ends[0]) / 2


@given(st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_interval_is_scipys(counts):
    hits, trials = counts
    expected = binomtest(hits, trials).proportion_ci(confidence_level=0.95, method="wilson")
    assert wilson(hits, trials) == pytest.approx(tuple(expected), abs=1e-12)
    lower, upper = wilson(hits, trials)
    assert 0 <= lower <= hits / trials <= upper <= 1
    assert upper - lower > 0


def test_the_half_width_for_156_images_is_the_one_of_the_tables():
    """140 right of 156, whose half-width TFMA's jackknife gave as 0.098 and as 0.050."""
    assert half_width(wilson(140, 156)) == pytest.approx(0.048, abs=0.001)
    assert half_width(wilson(94, 156)) == pytest.approx(0.076, abs=0.001)


@pytest.mark.parametrize("images", [30, 156, 1_000])
def test_wilsons_interval_holds_the_rate_in_95_of_100_draws(images):
    """The coverage at one rate goes up and down with it: rates are drawn from 0.5 to 0.99."""
    random = np.random.default_rng(images)
    rates = random.uniform(0.5, 0.99, DRAWS)
    ends = np.array([wilson(hits, images) for hits in random.binomial(images, rates)])
    held = np.mean((ends[:, 0] <= rates) & (rates <= ends[:, 1]))
    assert COVERED[0] <= held <= COVERED[1]


@pytest.mark.parametrize("images", [30, 156, 1_000])
def test_the_exact_coverage_of_wilsons_interval_over_all_rates(images):
    """No draws: each number of hits with its probability."""
    ends = np.array([wilson(hits, images) for hits in range(images + 1)])
    covered = []
    for rate in np.linspace(0.5, 0.99, 99):
        held = (ends[:, 0] <= rate) & (rate <= ends[:, 1])
        covered.append(binom.pmf(np.arange(images + 1), images, rate)[held].sum())
    assert COVERED[0] <= np.mean(covered) <= COVERED[1]


@pytest.mark.parametrize("images", [30, 156, 1_000])
def test_the_bootstrap_holds_the_mean_loss_in_95_of_100_draws(images):
    random = np.random.default_rng(images)
    truth = model_losses(np.random.default_rng(0), 4_000_000).mean()
    lower, upper = of_means(model_losses(random, (DRAWS, images)), HIGHEST)
    assert COVERED[0] <= np.mean((lower <= truth) & (truth <= upper)) <= COVERED[1]


def test_of_many_images_it_is_scipys_bca_interval():
    losses = model_losses(np.random.default_rng(3), 2_000)
    found = bootstrap((losses,), np.mean, n_resamples=4_000, random_state=1, method="BCa")
    expected = found.confidence_interval
    lower, upper = of_mean(losses, HIGHEST)
    width = expected.high - expected.low
    assert lower == pytest.approx(expected.low, abs=0.08 * width)
    assert upper == pytest.approx(expected.high, abs=0.08 * width)


def test_neither_order_nor_run_matters_to_the_bit():
    random = np.random.default_rng(5)
    losses = model_losses(random, 156)
    first = of_mean(losses, HIGHEST)
    assert of_mean(random.permutation(losses), HIGHEST) == first
    np.random.default_rng().normal(size=100)
    assert of_mean(losses, HIGHEST) == first
    among = np.stack([model_losses(random, 156), losses, model_losses(random, 156)])
    lower, upper = of_means(among, HIGHEST)
    assert (lower[1], upper[1]) == first


def test_a_model_that_is_trained_again_has_half_widths_within_two_per_cent():
    """Its losses differ a little, and come in another order."""
    random = np.random.default_rng(6)
    losses = model_losses(random, 156)
    widths = [
        half_width(of_mean(random.permutation(losses * random.normal(1, 0.01, 156)), HIGHEST))
        for _ in range(20)
    ]
    assert max(widths) / min(widths) < 1.02


def test_few_equal_and_broken_losses_have_no_interval():
    assert of_mean(np.linspace(0, 1, LEAST_IMAGES - 1), HIGHEST) is None
    assert of_mean(np.full(100, 0.25), HIGHEST) is None
    assert of_mean(np.array([*range(20), math.nan]), HIGHEST) is None
    assert of_mean(np.array([*range(20), math.inf]), HIGHEST) is None
    assert of_mean(np.array([]), HIGHEST) is None


@given(st.lists(st.floats(0, HIGHEST), min_size=LEAST_IMAGES, max_size=40))
@settings(max_examples=50)
def test_the_interval_holds_the_mean_and_stays_where_losses_are(values):
    found = of_mean(np.array(values), HIGHEST)
    if found is not None:
        lower, upper = found
        assert 0 <= lower <= np.mean(values) + 1e-8
        assert np.mean(values) - 1e-8 <= upper <= HIGHEST
