"""The whole pipeline on Beam's own job service and worker pool equals the in-process one.

Four jobs of a worker process each (the probe, ExampleGen, StatisticsGen, Evaluator), over gRPC,
which know the project by the package of `beam.setup_file: auto` alone. Transform has no
analyzer and makes no output but its graph, so that TFX traces it in place and starts no job.
"""

import pytest

from tests.beam.comparison import GATES, JOBS, SameRun

# 60 s in-process and 110 s on the services, on two cores.
# Flink proves the same in CI, and Prism each week.
pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def in_process(run, tmp_path_factory):
    return run(tmp_path_factory.mktemp("in_process"), *GATES)


@pytest.fixture(scope="module")
def portable(run, services, tmp_path_factory):
    before = services.workers()
    ended = run(tmp_path_factory.mktemp("portable"), *GATES, *services.overrides())
    assert services.workers() >= before + JOBS
    return ended


@pytest.fixture(scope="module")
def both(in_process, portable):
    return in_process, portable


class TestEqual(SameRun):
    """To the run in-process."""


def test_the_summary_says_where_it_ran(both):
    runners = [ended.summary["config"]["beam"]["runner"] for ended in both]
    assert runners == ["FnApiRunner", "PortableRunner"]
