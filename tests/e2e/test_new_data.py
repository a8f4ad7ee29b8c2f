"""Data that change and come back: spans, and trainings that start from the last model.

The tests build on each other in their order, as in test_digits.
"""

import json

import pytest

from tests.e2e.conftest import QUICK

pytestmark = pytest.mark.slow

FIRST = ("data.splits.train=train[:20%]",)
OTHER = ("data.splits.train=train[20%:40%]",)
WARM = (*QUICK, "training.warm_start=true", "evaluation.max_regression=0.9")


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return tmp_path_factory.mktemp("output") / "digits"


@pytest.fixture(scope="module")
def first(run, output):
    return run(output, *WARM, *FIRST)


@pytest.fixture(scope="module")
def other(run, output, first):
    return run(output, *WARM, *OTHER)


def trainings(ended, output):
    """The folders of one output of all trainings that there were, the newest last."""
    folders = (ended.output / "artifacts" / "Trainer" / output).iterdir()
    return sorted(folders, key=lambda path: int(path.name))


def started_from(ended):
    files = [path / "hyperparameters.json" for path in trainings(ended, "model_run")]
    return [json.loads(file.read_text())["base_model"] for file in files]


def models(ended):
    return [str(path / "Format-Serving") for path in trainings(ended, "model")]


def test_the_first_data_are_span_one_and_start_cold(first):
    assert first.exit_code == 0, first.out + first.err
    assert first.summary["span"] == 1
    assert set(first.states.values()) == {"complete"}
    assert started_from(first) == [None]


def test_a_second_run_has_nothing_to_do(run, output, first):
    again = run(output, *WARM, *FIRST)
    assert (again.exit_code, again.summary["span"]) == (0, 1)
    assert set(again.states.values()) == {"cached"}
    assert "Loading TFX" not in again.out
    assert len(models(again)) == 1


def test_another_gate_does_not_train_again(run, output, first):
    again = run(output, *WARM, *FIRST, "evaluation.min_accuracy=0.4")
    assert again.exit_code == 0
    assert again.states["WarmStart"] == "complete"
    assert again.states["Trainer"] == "cached"
    assert again.summary["pushed"] is None


def test_other_data_are_the_next_span_and_start_from_the_last_model(first, other):
    assert other.exit_code == 0, other.out + other.err
    assert other.summary["span"] == 2
    assert started_from(other) == [None, models(first)[0]]
    assert "span 2" in (other.output / "report" / "index.html").read_text()
    cold, warm = (
        json.loads((path / "history.json").read_text())[0]["loss"]
        for path in trainings(other, "model_run")
    )
    assert warm < cold / 2
    (card,) = (other.output / "serving" / other.served[-1]).glob("assets.extra/model_card.json")
    assert json.loads(card.read_text())["base_model"] == models(first)[0]


def test_data_that_come_back_have_their_span_and_are_not_copied_again(run, output, other):
    back = run(output, *WARM, *FIRST)
    assert (back.exit_code, back.summary["span"]) == (0, 1)
    for step in ("ImageExampleGen", "StatisticsGen", "Transform"):
        assert back.states[step] == "cached"
    # The last model has learned from other data.
    assert back.states["Trainer"] == "complete"
    assert started_from(back)[2] == models(back)[1]


def test_without_the_cache_it_trains_from_the_same_model_again(run, output, other):
    again = run(output, *WARM, *FIRST, arguments=("--no-cache",))
    assert (again.exit_code, again.summary["span"]) == (0, 1)
    assert again.states["Trainer"] == "complete"
    assert started_from(again)[2:] == [models(again)[1]] * 2


def test_a_search_starts_its_trials_from_the_same_model(run, output, other):
    told = ("search.base_learning_rate=[0.001, 0.01]", "search.epochs=1")
    searched = run(output, *WARM, *OTHER, *told)
    assert searched.exit_code == 0, searched.out + searched.err
    assert list(searched.states).index("WarmStart") < list(searched.states).index("Tuner")
    trials = [line for line in searched.out.splitlines() if "trial 1/2, epoch 1/1" in line]
    (loss,) = (float(line.partition("loss ")[2].partition(",")[0]) for line in trials)
    assert loss < 1.0


def test_another_network_is_refused_with_the_key(run, output, other, tiny_backbone):
    told = (
        f"backbone.handle={tiny_backbone}",
        "backbone.trainable_parameters=null",
        "data.splits.train=train[40%:60%]",
    )
    refused = run(output, *WARM, *told)
    assert refused.exit_code == 2
    (reason,) = refused.summary["reasons"]
    assert reason.startswith("Trainer: training.warm_start: the serving model")
    assert refused.summary["span"] == 3
