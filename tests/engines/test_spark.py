"""The whole pipeline on a Spark cluster of two workers equals the in-process one."""

import pytest

from tests.beam.comparison import GATES, JOBS, SameFiles
from tests.engines.conftest import on
from tests.engines.packages import SPARK
from tests.engines.proven import of_a_whole_run, prove
from tests.engines.spark.cluster import Cluster

# Some 300 s on a busy machine beside the run in-process: more than CI has time for.
pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    lacking = SPARK.missing()
    if lacking:
        pytest.skip(lacking)
    with Cluster(tmp_path_factory.mktemp("spark") / "cluster") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def on_spark(run, spark, tmp_path_factory):
    return run(tmp_path_factory.mktemp("spark-run"), *GATES, *on(spark))


@pytest.fixture(scope="module")
def both(in_process, on_spark):
    return in_process, on_spark


class TestEqual(SameFiles):
    """To the run in-process."""


def test_both_workers_worked_on_every_job(spark, both):
    jobs = spark.applications()
    assert len(jobs) >= JOBS
    for tasks in jobs[-JOBS:]:
        assert len(tasks) == 2, tasks


def test_a_pool_starts_few_workers_for_a_job(spark, both):
    # `environment_cache_millis`; without it one for each stage, 51 for StatisticsGen alone. On a
    # busy machine a worker waits for its next stage longer than that.
    for started in spark.workers_started().values():
        assert 1 <= started <= 3 * len(spark.applications())


def test_the_page_has_what_was_found(spark, both):
    ended = both[1]
    assert ended.exit_code == 0
    if not spark.separate:
        return  # The row is of workers in network namespaces, which root alone can make.
    prove(
        "Spark",
        f"{SPARK.version('spark')}, job server {SPARK.version('beam')}",
        "2 workers, each with a network namespace and a pool",
        *of_a_whole_run(ended),
        "`pytest tests/engines/test_spark.py`",
    )
