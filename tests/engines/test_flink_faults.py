"""What is lost when a machine of a Flink cluster goes amid ExampleGen: nothing."""

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import QUICK
from tests.engines.conftest import on
from tests.engines.flink.cluster import Cluster
from tests.engines.going import going
from tests.engines.packages import FLINK
from tests.folders import write_folder

# On two quiet cores 60 to 90 s each: TFX's imports, Flink's restart after 30 s, Python's starts.
pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(1800)]

MANAGER, WORKER, JOB_SERVER = "taskmanager-0", "worker", "jobserver"
MOMENTS = {
    "before the first file": lambda run: True,
    "in the first shards": lambda run: run.files_begun() >= 1,
    # Two workers write two at a time.
    "after the first shard": lambda run: run.files_begun() >= 3,
}
GOOD, BAD = 8000, 24


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Overrides: drawn photographs in five shards."""
    folder = tmp_path_factory.mktemp("photos")
    write_folder(folder, GOOD, BAD)
    splits = "{train: 'train[:75%]', eval: 'train[75%:]'}"
    return (
        *QUICK[2:],
        "data.name=null",
        "data.version=null",
        f"data.folder={folder}",
        f"data.splits={splits}",
    )


@pytest.fixture(scope="module")
def expected(data, tmp_path_factory):
    """What ExampleGen writes in-process."""
    with going(tmp_path_factory.mktemp("in-process") / "out", *data) as run:
        run.wait_for_step()
    found = run.files()
    assert sum(name.startswith("examples/Split-train") for name in found) >= 3
    assert sum(name.startswith("examples/Split-eval") for name in found) >= 1
    return found


def writers(cluster):
    """Process ids of the Python workers that are writing a shard.

    One that has not connected yet must not be killed: Beam waits for it without end.
    """
    return [
        pid for pid in cluster.workers() if any("data_tfrecord" in name for name in opened(pid))
    ]


def opened(pid):
    """The files that a process has open."""
    names = []
    for link in Path(f"/proc/{pid}/fd").glob("*"):
        with contextlib.suppress(OSError):
            names.append(os.readlink(link))
    return names


def kill(cluster, victim):
    """Ends it; what a cluster starts again, its operator or Kubernetes, is started again."""
    cluster.kill(victim)
    cluster.start(victim)


def state_of(cluster, job):
    return cluster.rest.get(f"/jobs/{job}")["state"]


def wait_until_cancelled(cluster, job, limit_s=60):
    """Fails if the job is not cancelled in time; Flink's REST answers from a cache of 3 s."""
    end = time.monotonic() + limit_s
    while (state := state_of(cluster, job)) not in ("CANCELED", "CANCELLING"):
        assert time.monotonic() < end, state
        time.sleep(0.5)


def at_the_moment(run, cluster, moment):
    """Waits until every task manager has a part of the job, and to the moment in it; its id."""
    job, managers = run.wait_for_job(cluster.rest), set(cluster.rest.managers())
    run.wait_for(lambda: cluster.rest.records_read(job).keys() >= managers, "work for all")
    run.wait_for(lambda: MOMENTS[moment](run), moment)
    return job


@pytest.mark.parametrize(
    ("victim", "moment"),
    [
        (MANAGER, "before the first file"),
        (MANAGER, "in the first shards"),
        (MANAGER, "after the first shard"),
        # One that dies before it has connected is waited for without end, by Beam: not here.
        (WORKER, "in the first shards"),
        (WORKER, "after the first shard"),
    ],
)
def test_flink_begins_again_and_the_files_are_equal(
    flink, data, expected, victim, moment, tmp_path
):
    with going(tmp_path / "out", *data, *on(flink)) as run:
        job = at_the_moment(run, flink, moment)
        if victim == WORKER:
            found = []
            run.wait_for(lambda: found or found.extend(writers(flink)), "a worker at work")
            os.kill(found[0], signal.SIGKILL)
        else:
            kill(flink, victim)
        run.wait_for_step()
    flink.wait_until_ready()
    assert run.files() == expected
    assert state_of(flink, job) == "FINISHED"
    assert flink.rest.get(f"/jobs/{job}")["timestamps"]["RESTARTING"] > 0


@pytest.mark.parametrize("moment", MOMENTS)
def test_without_its_job_server_the_step_fails_and_the_next_run_goes_on(
    flink, data, expected, moment, tmp_path
):
    with going(tmp_path / "out", *data, *on(flink)) as run:
        job = at_the_moment(run, flink, moment)
        kill(flink, JOB_SERVER)
        assert run.wait_for_end() == 1
    (reason,) = run.reasons()
    assert reason.startswith(
        f"ImageExampleGen: RuntimeError: Beam's job service at {flink.job_endpoint}"
    )
    # Nobody waits for it any more.
    wait_until_cancelled(flink, job)
    flink.wait_until_ready()
    with going(tmp_path / "out", *data, *on(flink)) as again:
        again.wait_for_step()
    assert again.files() == expected


def test_ctrl_c_cancels_the_job(flink, data, tmp_path):
    with going(tmp_path / "out", *data, *on(flink)) as run:
        job = at_the_moment(run, flink, "before the first file")
        run.interrupt()
        wait_until_cancelled(flink, job)
    assert run.wait_for_end() == 1
    assert "interrupted" in run.log.read_text()


def test_kill_9_of_the_run_cancels_the_job(flink, data, tmp_path):
    with going(tmp_path / "out", *data, *on(flink)) as run:
        job = at_the_moment(run, flink, "before the first file")
        run.kill()
        wait_until_cancelled(flink, job)


@pytest.fixture(scope="module")
def without_restart(tmp_path_factory):
    """As Flink is without a restart strategy."""
    lacking = FLINK.missing()
    if lacking:
        pytest.skip(lacking)
    changes = {"restart-strategy.type": "none"}
    with Cluster(tmp_path_factory.mktemp("flink-none"), changes=changes) as cluster:
        yield cluster


def test_without_a_restart_strategy_the_step_fails_and_the_next_run_goes_on(
    without_restart, data, expected, tmp_path
):
    cluster = without_restart
    with going(tmp_path / "out", *data, *on(cluster)) as run:
        job = at_the_moment(run, cluster, "in the first shards")
        kill(cluster, MANAGER)
        assert run.wait_for_end() == 1
    (reason,) = run.reasons()
    assert reason.startswith("ImageExampleGen: RuntimeError: ")
    assert state_of(cluster, job) == "FAILED"
    cluster.wait_until_ready()
    with going(tmp_path / "out", *data, *on(cluster)) as again:
        again.wait_for_step()
    assert again.files() == expected
