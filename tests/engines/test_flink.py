"""The whole pipeline on a Flink cluster of two task managers equals the in-process one.

Every file of ExampleGen, the predictions, metrics and gates are equal to the byte.
"""

import pytest

from tests.beam.comparison import GATES, JOBS, SameFiles
from tests.engines.conftest import on
from tests.engines.packages import FLINK
from tests.engines.proven import of_a_whole_run, prove

# On two quiet cores 60 s in-process, 20 s for the cluster and 150 s on it.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def started(flink):
    """The jobs that other tests have run before, and the workers."""
    return {job["jid"] for job in flink.rest.jobs()}, sum(flink.workers_started().values())


@pytest.fixture(scope="module")
def on_flink(run, flink, started, tmp_path_factory):
    return run(tmp_path_factory.mktemp("flink-run"), *GATES, *on(flink))


@pytest.fixture(scope="module")
def both(in_process, on_flink):
    return in_process, on_flink


@pytest.fixture(scope="module")
def jobs(flink, started, on_flink):
    """The run's own, oldest first, the steps' last."""
    return [job for job in flink.rest.jobs() if job["jid"] not in started[0]]


class TestEqual(SameFiles):
    """To the run in-process."""


def test_the_jobs_are_finished(jobs):
    assert len(jobs) >= JOBS
    assert {job["state"] for job in jobs} == {"FINISHED"}


def test_both_task_managers_worked_on_every_job(flink, jobs):
    for job in jobs[-JOBS:]:
        read = flink.rest.records_read(job["jid"])
        assert read.keys() == set(flink.rest.managers())
        assert min(read.values()) > 0, read


def test_a_pool_starts_one_worker_for_each_job(flink, started, jobs):
    # `environment_cache_millis`; without it one for each of Flink's chained stages.
    assert sum(flink.workers_started().values()) - started[1] <= len(jobs) * len(
        flink.rest.managers()
    )


def test_the_page_has_what_was_found(flink, both):
    ended = both[1]
    assert ended.exit_code == 0
    if not flink.separate:
        return  # The row is of task managers in network namespaces, which root alone can make.
    prove(
        "Flink",
        f"{FLINK.version('flink')}, job server {FLINK.version('beam')}",
        f"{len(flink.rest.managers())} task managers, each with a network namespace and a pool",
        *of_a_whole_run(ended),
        "`pytest tests/engines/test_flink.py`",
    )
