"""Configurations that come back: what is compared and what is served follow the runs, not the ids.

The tests build on each other in their order, as in test_digits.
"""

import itertools
import shutil
from pathlib import Path

import pytest

from components.pusher.versions import model_digest
from tests.e2e.conftest import QUICK

pytestmark = pytest.mark.slow

SOFT = (*QUICK, "evaluation.min_accuracy=0.1", "evaluation.max_regression=0.9")


@pytest.fixture(scope="module")
def ended(run, tmp_path_factory):
    """Runs under seeds 1, 2, 1, 2 and 3, all of them blessed, in one output folder."""
    output = tmp_path_factory.mktemp("output") / "digits"
    runs = []
    for seed in (1, 2, 1, 2, 3):
        ended = run(output, *SOFT, f"training.seed={seed}")
        assert ended.exit_code == 0, ended.out + ended.err
        ended.served_digest = model_digest(ended.output / "serving" / ended.served[-1])
        runs.append(ended)
    return runs


def test_every_model_is_compared_with_the_one_that_passed_before_it(ended):
    for before, after in itertools.pairwise(ended):
        assert after.summary["baseline_metrics"]["loss"] == before.summary["metrics"]["loss"]


def test_a_model_is_trained_and_judged_once_whenever_it_comes_back(ended):
    for index in (2, 3):
        assert ended[index].states["Trainer"] == "cached"
    # Its second comparison with the first model: the same verdict as in the second run.
    assert ended[3].states["Evaluator"] == "cached"


def test_the_newest_version_is_the_model_of_the_last_run(ended):
    first, second, third = (ended[index].served_digest for index in (0, 1, 4))
    assert len({first, second, third}) == 3
    assert [end.served_digest for end in ended] == [first, second, first, second, third]
    for end in ended:
        assert Path(end.summary["pushed"]).name == end.served[-1]


def test_serving_that_was_deleted_is_filled_again_each_time(run, ended):
    output = ended[-1].output
    for _ in range(2):
        shutil.rmtree(output / "serving")
        again = run(output, *SOFT, "training.seed=3")
        assert again.exit_code == 0
        assert again.states["Evaluator"] in {"cached", "complete"}
        assert [model_digest(path) for path in (output / "serving").iterdir()] == [
            ended[-1].served_digest
        ]
