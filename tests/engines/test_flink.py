"""The whole pipeline on a Flink cluster of two task managers equals the in-process one.

Every file of ExampleGen, the predictions, metrics and gates are equal to the byte.
"""

import hashlib

import pytest

from tests.beam.comparison import GATES, JOBS, SameRun, artifact
from tests.engines.conftest import on
from tests.engines.flink import packages
from tests.engines.proven import prove

# On two quiet cores 60 s in-process, 20 s for the cluster and 150 s on it.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def in_process(run, tmp_path_factory):
    return run(tmp_path_factory.mktemp("in_process"), *GATES)


@pytest.fixture(scope="module")
def started(flink):
    """The jobs that other tests have run before, and the workers."""
    return {job["jid"] for job in flink.rest.jobs()}, flink.workers_started()


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


def digests(folder):
    """SHA-256 of every file, by its path in the folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class TestEqual(SameRun):
    """To the run in-process."""


@pytest.mark.parametrize("output", ["examples", "index", "quarantine"])
def test_every_file_of_example_gen_is_equal_to_the_byte(both, output):
    one, other = (digests(artifact(ended, "ImageExampleGen", output)) for ended in both)
    assert one == other
    assert one or output == "quarantine"


def test_predictions_metrics_and_gates_are_equal_to_the_byte(both):
    # Not TFMA's own tables, which have a file for each subtask that wrote.
    one, other = (
        {
            name: digest
            for name, digest in digests(artifact(ended, "Evaluator", "evaluation")).items()
            if name in ("metrics.json", "gates.json") or name.startswith("predictions/")
        }
        for ended in both
    )
    assert one == other
    assert len(one) == 3


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
    assert flink.workers_started() - started[1] <= len(jobs) * len(flink.rest.managers())


def test_the_page_has_what_was_found(flink, both):
    ended = both[1]
    assert ended.exit_code == 0
    if not flink.separate:
        return  # The row is of task managers in network namespaces, which root alone can make.
    counts = ended.summary["counts"]
    images = f"{counts['train']} + {counts['eval']} images"
    prove(
        "Flink",
        f"{packages.version('flink')}, job server {packages.version('beam')}",
        f"{len(flink.rest.managers())} task managers, each with a network namespace and a pool",
        f"the whole run on digits, {images}: examples, index, counts, statistics, transform, "
        f"{counts['eval']} predictions, metrics, gates",
        "equal; files to the byte",
        "`pytest tests/engines/test_flink.py`",
    )
