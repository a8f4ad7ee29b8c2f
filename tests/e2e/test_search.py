"""A search before the training: what it chose is what the Trainer took."""

import json

import pytest

from pipeline.config import load_config
from pipeline.steps import steps_of
from tests.e2e.conftest import QUICK

pytestmark = pytest.mark.slow

SEARCH = (
    *QUICK,
    "search.base_learning_rate=[0.0001, 0.4]",
    "search.mode=[full]",
    "search.epochs=2",
    "backbone.mode=head_only",
)


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return tmp_path_factory.mktemp("output") / "digits"


@pytest.fixture(scope="module")
def searched(run, output):
    return run(output, *SEARCH)


def only(output, pattern):
    (found,) = (output / "artifacts").glob(pattern)
    return json.loads(found.read_text())


def test_the_tuner_runs_before_the_trainer(searched):
    assert searched.exit_code == 0, searched.out + searched.err
    assert tuple(searched.states) == steps_of(load_config("digits", overrides=SEARCH))
    assert set(searched.states.values()) == {"complete"}


def test_the_trainer_took_what_was_best(searched, output):
    trials = only(output, "Tuner/tuner_results/*/trials.json")
    assert [trial["values"]["base_learning_rate"] for trial in trials] == [0.0001, 0.4]
    assert trials[1]["val_accuracy"] > trials[0]["val_accuracy"]
    chosen = only(output, "Tuner/best_hyperparameters/*/best_hyperparameters.txt")
    assert chosen == trials[1]["values"] == {"base_learning_rate": 0.4, "mode": "full"}
    kept = only(output, "Trainer/model_run/*/hyperparameters.json")
    assert (kept["mode"], kept["training"]["base_learning_rate"]) == ("full", 0.4)
    history = only(output, "Trainer/model_run/*/history.json")
    # Of the Trainer, which is not as short as a trial: 0.4 * 64 / 512, and a tenth at the end.
    assert [row["learning_rate"] for row in history] == pytest.approx([0.05] * 3 + [0.005])


def test_the_terminal_tells_trials_and_their_epochs_as_the_tuners(searched):
    lines = [line.strip() for line in searched.out.splitlines()]
    trials = [line for line in lines if line.startswith("trial ")]
    assert len(trials) == 2 * 2 + 2
    assert "held-out accuracy" in trials[0]
    assert trials[-1].startswith("trial 2/2, base_learning_rate 0.4, mode full: held-out accuracy")
    assert trials[-1].endswith("the best so far")
    (tuner,) = (place for place, line in enumerate(lines) if line.startswith("✓ Tuner"))
    assert all(lines.index(line) < tuner for line in trials)
    assert searched.err == ""
    log = searched.output / "logs" / searched.summary["run_id"] / "Tuner.log"
    assert "optuna" not in log.read_text().lower()


def test_a_second_run_does_not_search_again(run, output, searched):
    again = run(output, *SEARCH, "evaluation.min_accuracy=0.4")
    assert again.exit_code == 0, again.out
    assert again.states["Tuner"] == "cached"
    assert again.states["Trainer"] == "cached"
    assert again.states["Evaluator"] == "complete"
    assert "trial " not in again.out


def test_a_holdout_of_nothing_is_refused_before_tfx_is_loaded(run, tmp_path):
    refused = run(tmp_path / "digits", *SEARCH, "search.holdout=0.001")
    assert refused.exit_code == 2
    (reason,) = refused.summary["reasons"]
    assert reason.startswith("search.holdout 0.001 of 359 training images")
    assert set(refused.states.values()) == {"skipped"}
    assert "Tuner" in refused.states
