"""Runs that are killed around their push, files that are gone, folders that are moved.

The tests build on each other in their order, as in test_digits. A bad model, rejected beside the
good one that serves, must not come through because of a run that was killed in between.
"""

import json
import shutil
from pathlib import Path

import pytest

from components.pusher.versions import model_digest
from tests.e2e.conftest import QUICK

pytestmark = pytest.mark.slow

COMMON = (
    *QUICK,
    "data.splits.eval=train[95%:]",
    "training.schedule={steps: 20, boundaries: [15]}",
    "evaluation.min_accuracy=0.01",
)
GOOD = (*COMMON, "evaluation.max_regression=0.1")
BAD = (*COMMON, "training.base_learning_rate=0.00001")
STRICT = (*BAD, "evaluation.max_regression=0.1")
LOOSE = (*BAD, "evaluation.max_regression=1.0")

FAULT = """

import os, signal

_do = Executor.Do


def _do_or_die(self, *given):
    if os.environ.get("FAULT") == "killed before":
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get("FAULT") == "full disk":
        raise OSError(28, "No space left on device")
    _do(self, *given)
    if os.environ.get("FAULT") == "killed after":
        os.kill(os.getpid(), signal.SIGKILL)


Executor.Do = _do_or_die
"""
"""A process that dies before the push, or between its rename and ML Metadata's word of it."""


@pytest.fixture(scope="module")
def start(run, checkout):
    """Runs in a checkout whose Pusher can be made to fail, in a folder of the test's choice."""
    with (checkout / "components" / "pusher" / "executor.py").open("a") as stream:
        stream.write(FAULT)

    def begin(output, *overrides, fault="", arguments=()):
        return run(
            output, *overrides, root=checkout, environment={"FAULT": fault}, arguments=arguments
        )

    return begin


@pytest.fixture(scope="module")
def unbroken(start, tmp_path_factory):
    """The good model, and then the bad one, where nothing is killed."""
    output = tmp_path_factory.mktemp("unbroken") / "digits"
    good, bad = start(output, *GOOD), start(output, *STRICT)
    assert (good.exit_code, bad.exit_code) == (0, 3), good.out + bad.out
    return good, bad


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return tmp_path_factory.mktemp("broken") / "digits"


def card_of(ended):
    """The card of what serves, without what names the run and what a clock says."""
    path = ended.output / "serving" / ended.served[-1] / "assets.extra" / "model_card.json"
    card = json.loads(path.read_text())
    del card["model"], card["training"]["last"]["seconds"], card["training"]["last"]["waiting"]
    return card


def trained(output):
    """Folders of all trained models, the oldest first."""
    folders = (output / "artifacts" / "Trainer" / "model").iterdir()
    return [p / "Format-Serving" for p in sorted(folders, key=lambda p: int(p.name))]


SAME = ("metrics", "baseline_metrics", "blessed", "exit_code", "reasons", "warnings", "span")


def assert_same_end(ended, other):
    for key in SAME:
        assert ended.summary[key] == other.summary[key], key


def test_a_first_model_that_was_killed_before_its_push_is_pushed_by_the_next_run(
    start, unbroken, output
):
    killed = start(output, *GOOD, fault="killed before")
    assert (killed.exit_code, killed.served) == (1, [])
    ended = start(output, *GOOD)
    assert ended.states["Trainer"] == ended.states["Evaluator"] == "cached"
    assert Path(ended.summary["pushed"]).name == ended.served[-1]
    assert_same_end(ended, unbroken[0])
    assert card_of(ended) == card_of(unbroken[0])


@pytest.mark.parametrize("fault", ["killed before", "full disk"])
def test_a_bad_model_that_was_blessed_and_not_pushed_is_rejected_by_the_next_run(
    start, unbroken, output, fault
):
    killed = start(output, *LOOSE, fault=fault)
    assert killed.exit_code == 1
    assert len(killed.served) == 1
    ended = start(output, *STRICT)
    assert_same_end(ended, unbroken[1])
    assert ended.served == killed.served


def test_a_push_that_was_killed_after_its_rename_serves_and_is_no_baseline_of_itself(
    start, unbroken, output
):
    killed = start(output, *LOOSE, fault="killed after")
    assert killed.exit_code == 1
    assert len(killed.served) == 2
    again = start(output, *LOOSE)
    assert again.exit_code == 0
    assert again.summary["pushed"] is None
    assert again.served == killed.served
    assert again.summary["baseline_metrics"] == unbroken[1].summary["baseline_metrics"]
    assert_same_end(start(output, *STRICT), unbroken[1])


def test_a_baseline_that_was_cut_is_judged_from_the_copy_that_serves(start, unbroken, output):
    """What serves now is the bad model: the good one is compared with it, and pushed."""
    bad = trained(output)[1]
    digest = model_digest(bad)
    (bad / "saved_model.pb").write_bytes((bad / "saved_model.pb").read_bytes()[:1000])
    ended = start(output, *GOOD)
    assert ended.exit_code == 0, ended.out + ended.err
    bad_metrics = unbroken[1].summary["metrics"]
    assert ended.summary["baseline_metrics"]["accuracy"] == bad_metrics["accuracy"]
    (warning,) = ended.summary["warnings"]
    assert str(bad / "saved_model.pb") in warning
    assert "1,000 bytes" in warning
    assert warning in ended.out
    assert str(bad / "saved_model.pb") in Path(ended.summary["report"]).read_text()
    assert model_digest(bad) == digest
    assert len(ended.served) == 3


def test_a_baseline_that_is_gone_altogether_stops_the_run_or_leaves_the_floors(start, output):
    good = trained(output)[0]
    shutil.rmtree(good)
    shutil.rmtree(output / "serving")
    shutil.rmtree(output / "artifacts" / "Pusher")
    stopped = start(output, *LOOSE, "evaluation.missing_baseline=stop")
    assert stopped.exit_code == 2
    (reason,) = stopped.summary["reasons"]
    assert f"{good.parent} is empty" in reason
    assert "--set evaluation.missing_baseline=floor" in reason
    ended = start(output, *LOOSE)
    assert ended.exit_code == 0, ended.out + ended.err
    assert ended.summary["baseline_metrics"] == {}
    (warning,) = ended.summary["warnings"]
    assert f"{good.parent} is empty" in warning
    assert len(ended.served) == 1


def test_a_cached_step_whose_files_are_gone_or_cut_runs_again(start, output):
    (statistics,) = (output / "artifacts" / "StatisticsGen" / "statistics").iterdir()
    shutil.rmtree(statistics)
    (graph,) = (output / "artifacts" / "Transform").glob("transform_graph/*/*/saved_model.pb")
    graph.write_bytes(graph.read_bytes()[:1000])
    ended = start(output, *LOOSE)
    assert ended.exit_code == 0, ended.out + ended.err
    assert "Nothing changed, but " in ended.out
    assert f"StatisticsGen runs again: {statistics} is gone" in ended.out
    assert f"Transform runs again: {graph} has 1,000 bytes" in ended.out
    assert ended.states["ImageExampleGen"] == "cached"
    assert ended.states["StatisticsGen"] == ended.states["Transform"] == "complete"


def test_an_output_that_was_moved_goes_on_where_it_is(start, output, tmp_path):
    before = json.loads((output / "run_summary.json").read_text())
    moved = tmp_path / "elsewhere"
    shutil.move(output, moved)
    ended = start(moved, *LOOSE)
    assert set(ended.states.values()) == {"cached"}
    assert ended.summary["report"] == str(moved / "report" / "index.html")
    assert ended.summary["metrics"] == before["metrics"]
    # Another gate: each step that it does not touch is still known, by its new place.
    ended = start(moved, *LOOSE, "evaluation.min_accuracy=0.02")
    assert ended.exit_code == 0, ended.out + ended.err
    assert f"was moved or copied from {output}" in ended.out
    assert ended.states["ImageExampleGen"] == ended.states["Trainer"] == "cached"
    assert not output.exists()
    texts = json.dumps(ended.summary) + Path(ended.summary["report"]).read_text()
    assert f"{output}/artifacts" not in texts
