"""The profile under which hypothesis draws: a busy machine fails no property test."""

import re
import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.code import ROOT


@settings(max_examples=2)
@given(st.integers())
def test_an_example_may_take_longer_than_hypothesis_allows_by_default(drawn):
    assert isinstance(drawn, int)
    time.sleep(0.25)


def test_every_run_draws_other_examples_and_prints_how_one_that_failed_is_drawn_again():
    assert settings.default.deadline is None
    assert HealthCheck.too_slow in settings.default.suppress_health_check
    assert not settings.default.derandomize
    assert settings.default.print_blob


def test_no_test_sets_a_deadline_of_its_own():
    own = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tests").rglob("*.py")
        if re.search(r"settings\([^)]*deadline=", path.read_text(encoding="utf-8"))
    ]
    assert own == []
