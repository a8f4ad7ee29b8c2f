"""The profile under which hypothesis draws: a busy machine fails no property test."""

import os
import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@settings(max_examples=2)
@given(st.integers())
def test_an_example_may_take_longer_than_hypothesis_allows_by_default(drawn):
    assert isinstance(drawn, int)
    time.sleep(0.25)


def test_every_run_draws_other_examples_and_prints_how_one_that_failed_is_drawn_again():
    assert settings.default.deadline is None
    assert HealthCheck.too_slow in settings.default.suppress_health_check
    assert settings.default.derandomize == bool(os.environ.get("CI"))
    assert settings.default.print_blob
