"""The whole pipeline on Prism, Beam's local runner in Go, equals the in-process one.

Go builds it, of the installed Beam's version. Either Beam starts it (PrismRunner), and the step's
own process does the work; or it runs as a job service, with a worker pool (PortableRunner).
"""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.beam.comparison import GATES, JOBS, SameFiles
from tests.e2e.conftest import QUICK
from tests.engines import prism
from tests.engines.conftest import on
from tests.engines.going import going
from tests.engines.proven import of_a_whole_run, prove
from tests.folders import write_photos

# 75 s of CPU for a run of any kind, and 150 s to build Prism, once on a machine.
pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A copy, by whose path the processes of these tests are known."""
    lacking = prism.missing()
    if lacking:
        pytest.skip(lacking)
    return shutil.copy2(prism.program(), tmp_path_factory.mktemp("bin") / "prism")


@pytest.fixture(scope="module")
def started_by_beam(program):
    """Overrides."""
    return ("beam.runner=PrismRunner", f"beam.options={{prism_location: '{program}'}}")


def running(program):
    """Process ids of Prism."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if _program(pid) == str(program)]


def _program(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return None


def wait_until_none_runs(program, limit_s=30):
    end = time.monotonic() + limit_s
    while running(program) and time.monotonic() < end:
        time.sleep(0.1)
    return running(program) == []


class TestStartedByBeam(SameFiles):
    """PrismRunner, to the run in-process."""

    @pytest.fixture(scope="class")
    def on_prism(self, run, started_by_beam, tmp_path_factory):
        return run(tmp_path_factory.mktemp("prism"), *GATES, *started_by_beam)

    @pytest.fixture(scope="class")
    def both(self, in_process, on_prism):
        return in_process, on_prism

    def test_prism_has_ended_with_the_run(self, program, both):
        assert running(program) == []

    def test_the_page_has_what_was_found(self, both):
        prove(
            "Prism, PrismRunner",
            prism.VERSION,
            "the step's own process",
            *of_a_whole_run(both[1]),
            "`pytest tests/engines/test_prism.py`",
        )


class TestAsAJobService(SameFiles):
    """PortableRunner, to the run in-process."""

    @pytest.fixture(scope="class")
    def service(self, program, tmp_path_factory):
        with prism.JobService(tmp_path_factory.mktemp("service")) as service:
            yield service

    @pytest.fixture(scope="class")
    def on_prism(self, run, service, tmp_path_factory):
        return run(tmp_path_factory.mktemp("prism"), *GATES, *on(service))

    @pytest.fixture(scope="class")
    def both(self, in_process, on_prism):
        return in_process, on_prism

    def test_every_job_had_a_worker_of_the_pool(self, service, both):
        assert service.workers_started()["pool"] >= JOBS

    def test_the_page_has_what_was_found(self, both):
        prove(
            "Prism, PortableRunner",
            prism.VERSION,
            "a pool's process for each job",
            *of_a_whole_run(both[1]),
            "`pytest tests/engines/test_prism.py`",
        )


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Overrides: so many drawn photographs that ExampleGen takes a few seconds."""
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder, 4000)
    splits = "{train: 'train[:75%]', eval: 'train[75%:]'}"
    named = ("data.name=null", "data.version=null", f"data.folder={folder}")
    return (*QUICK[2:], *named, f"data.splits={splits}")


def end(run, program, how):
    if how == "ctrl-c":
        run.interrupt()
    elif how == "kill -9":
        run.kill()
    else:
        (pid,) = running(program)
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("how", "exit_code", "said"),
    [
        ("ctrl-c", 1, "interrupted"),
        ("kill -9", -9, ""),
        ("prism killed", 1, "the job service that Beam had started has ended while the job ran"),
    ],
)
def test_no_prism_outlives_a_run_that_ends_early(
    started_by_beam, program, photos, how, exit_code, said, tmp_path
):
    # 25 s of CPU each: TFX's imports.
    with going(tmp_path / "out", *photos, *started_by_beam) as run:
        run.wait_for(run.files_begun, "ExampleGen writes")
        assert running(program)
        end(run, program, how)
        assert run.wait_for_end() == exit_code
        assert wait_until_none_runs(program)
    assert said in " ".join(run.log.read_text().split())
