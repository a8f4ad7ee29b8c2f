"""The paper's rule as numbers, at every boundary."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.trainer.hyperrule import HyperRule, hyperrule, resolution

SMALL = HyperRule(100, (200, 300, 400), 500, 0.0)
MEDIUM = HyperRule(500, (3_000, 6_000, 9_000), 10_000, 0.1)
LARGE = HyperRule(500, (6_000, 12_000, 18_000), 20_000, 0.1)


@pytest.mark.parametrize(
    ("images", "rule"),
    [
        (1, SMALL),
        (10, SMALL),
        (3_120, SMALL),
        (19_999, SMALL),
        (20_000, MEDIUM),
        (20_001, MEDIUM),
        (50_000, MEDIUM),
        (499_999, MEDIUM),
        (500_000, LARGE),
        (500_001, LARGE),
        (1_281_167, LARGE),
    ],
)
def test_a_task_is_small_medium_or_large_by_its_images(images, rule):
    assert hyperrule(images) == rule


@pytest.mark.parametrize("images", [0, -1])
def test_a_task_without_images_has_no_rule(images):
    with pytest.raises(ValueError, match="training images"):
        hyperrule(images)


@pytest.mark.parametrize(
    ("height", "width", "sides"),
    [
        (8, 8, (160, 128)),
        (32, 32, (160, 128)),
        (95, 96, (160, 128)),
        (96, 95, (160, 128)),
        (1, 9_215, (160, 128)),
        (96, 96, (512, 480)),
        (1, 9_216, (512, 480)),
        (64, 144, (512, 480)),
        (240, 320, (512, 480)),
    ],
)
def test_small_images_are_those_of_less_than_96_by_96_pixels(height, width, sides):
    assert resolution(height, width) == sides


@given(st.integers(1, 10**9))
def test_every_rule_warms_up_before_it_decays_and_decays_before_it_ends(images):
    rule = hyperrule(images)
    assert 0 < rule.warmup < rule.boundaries[0]
    assert list(rule.boundaries) == sorted(set(rule.boundaries))
    assert rule.boundaries[-1] < rule.end


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_more_images_never_train_for_fewer_steps(one, other):
    fewer, more = sorted((one, other))
    assert hyperrule(fewer).end <= hyperrule(more).end
    assert hyperrule(fewer).mixup <= hyperrule(more).mixup
