"""Trials on real scans: trainings like the Trainer's, each from the same beginning."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.errors import UserError
from components.progress import EVENT, LOGGER
from components.trainer.train import train
from components.tuner.config import SearchConfig
from components.tuner.holdout import hold_out
from components.tuner.settings import TunerSettings
from components.tuner.study import TrialFailedError, TrialPrunedError
from components.tuner.trial import Trials
from tests.components.trainer import jobs

LONG = [pytest.mark.slow, pytest.mark.long]


def settings_of(job, **search):
    told = {"base_learning_rate": [0.1, 0.4], "holdout": 0.25, "pruning": False, **search}
    return TunerSettings(trainer=job.settings, search=SearchConfig(**told))


def trials_of(job, **search):
    return Trials(settings_of(job, **search), job.train_files, job.transform_graph)


def ignore(steps, accuracy):
    pass


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    """The scans that a trial learns from and those that are held out, as splits of their own."""
    folder = tmp_path_factory.mktemp("apart")
    chosen = hold_out(100, 25, SearchConfig(base_learning_rate=[0.1, 0.2]).seed)
    jobs.write_examples(folder, np.flatnonzero(~chosen), np.flatnonzero(chosen))
    return folder


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(
            {
                "mode": "full",
                "crop": 20,
                "flip": True,
                "cache": "off",
                "early_stopping_patience": 2,
            },
            marks=LONG,
        ),
        pytest.param({"mode": "head_only"}, marks=pytest.mark.slow),
        {"mode": "head_only", "mixup": 0.2},
    ],
    ids=["full, nothing kept", "head", "head, mixed"],
)
def test_a_trial_is_the_trainers_training_on_the_rest_judged_on_the_held_out(
    digits_folder, apart, told
):
    told = {"schedule": {"steps": 12}, "steps_per_epoch": 3, **told}
    alone = jobs.make_job(apart, "alone", counts=(75, 25), **told)
    alone = alone.model_copy(update={"transform_graph": f"{digits_folder}/graph"})
    rows = train(alone)
    kept = next(row for row in rows if row["restored"])
    with trials_of(jobs.make_job(digits_folder, "whole", **told)) as trials:
        found = trials.run(1, {}, ignore)
    assert found == (kept["val_accuracy"], kept["val_loss"])


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"mode": "full", "precision": "mixed_float16"}, marks=LONG),
        {"mode": "full", "strategy": "mirrored", "early_stopping_patience": 1},
        {"mode": "head_only"},
    ],
    ids=["float16", "mirrored", "head"],
)
def test_a_trial_knows_nothing_of_those_before_it(digits_folder, told):
    job = jobs.make_job(digits_folder, "again", **told)
    values = {"base_learning_rate": 0.4}
    with trials_of(job) as trials:
        first = trials.run(1, values, ignore)
        with pytest.raises(TrialFailedError, match=r"the loss of epoch \d is not finite"):
            trials.run(2, {"base_learning_rate": 1e38}, ignore)
        other = trials.run(3, {"base_learning_rate": 4.0}, ignore)
        assert trials.run(4, values, ignore) == first
        assert other != first


@pytest.mark.slow
def test_each_part_of_a_recipe_is_what_the_trial_says_whatever_came_before(digits_folder, apart):
    """More of them than networks that are kept, each as the Trainer itself trains it."""
    told = {"mode": "full", "schedule": {"steps": 3}}
    tried = [
        {},
        {"batch_size": 16},
        {"crop": 16},
        {"crop": 16, "inception_crop": 0.3},
        {"randaugment": {"layers": 2, "magnitude": 8.0}},
        {"random_erasing": 1.0},
        {"label_smoothing": 0.3},
        {"clip_norm": 0.01},
        {"mixup": 0.4},
    ]
    with trials_of(jobs.make_job(digits_folder, "recipes", **told)) as trials:
        found = [trials.run(number, values, ignore) for number, values in enumerate(tried, 1)]
        assert [trials.run(10 + place, tried[place], ignore) for place in (0, 8)] == [
            found[0],
            found[8],
        ]
    assert len({loss for _, loss in found}) == len(tried)
    for number in (1, 3, 7):
        values = tried[number]
        alone = jobs.make_job(apart, f"alone {number}", counts=(75, 25), **{**told, **values})
        alone = alone.model_copy(update={"transform_graph": f"{digits_folder}/graph"})
        kept = next(row for row in train(alone) if row["restored"])
        assert found[number] == (kept["val_accuracy"], kept["val_loss"])


@pytest.mark.slow
def test_modes_and_schedules_are_what_the_trial_says(digits_folder):
    job = jobs.make_job(digits_folder, "values", mode="full")
    looks = []
    schedule = {"steps": 3, "boundaries": [], "warmup": 0, "decay": "steps"}
    with trials_of(job) as trials:
        full = trials.run(1, {}, ignore)
        head = trials.run(2, {"mode": "head_only"}, ignore)
        short = {"mode": "head_only", "schedule": schedule}
        trials.run(3, short, lambda *look: looks.append(look))
    assert full[1] != pytest.approx(head[1], abs=1e-7)
    # Of three epochs, the last is not looked at: nothing could be saved.
    assert [steps for steps, _ in looks] == [1, 2]


@pytest.mark.slow
def test_no_look_is_taken_while_the_rate_rises(digits_folder):
    schedule = {"steps": 6, "boundaries": [], "warmup": 3}
    job = jobs.make_job(digits_folder, "warm-up", mode="head_only", schedule=schedule)
    looks = []
    with trials_of(job) as trials:
        trials.run(1, {}, lambda *look: looks.append(look))
    assert [steps for steps, _ in looks] == [4, 5]


def test_a_trial_that_is_pruned_ends_there(digits_folder):
    seen = []

    def look(steps, accuracy):
        seen.append(steps)
        if steps == 2:
            raise TrialPrunedError

    job = jobs.make_job(digits_folder, "pruned", mode="head_only")
    with trials_of(job) as trials:
        with pytest.raises(TrialPrunedError):
            trials.run(1, {}, look)
        assert seen == [1, 2]
        found = trials.run(2, {}, ignore)
    assert all(map(math.isfinite, found))


def test_epochs_of_a_trial_are_capped_and_told_as_its_own(digits_folder):
    events = []

    class Handler:
        level = 0

        def handle(self, record):
            events.append(record.__dict__[EVENT])

    job = jobs.make_job(digits_folder, "capped", mode="head_only")
    handler, before = Handler(), LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel("INFO")
    try:
        with trials_of(job, epochs=2) as trials:
            trials.run(1, {}, ignore)
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(before)
    told = [(event["trial"], event["epoch"], event["epochs"]) for event in events]
    assert told == [("1/2", 1, 2), ("1/2", 2, 2)]
    json.dumps(events)


@pytest.mark.parametrize(
    ("of_training", "of_search", "epochs"),
    [(None, 3, 3), (2, 3, 2), (4, None, 4), (None, None, None)],
)
def test_the_shorter_of_both_limits_counts(of_training, of_search, epochs):
    job = jobs.make_job("/nowhere", "x", epochs=of_training)
    told = settings_of(job, epochs=of_search).of_trial({}, held_out=25)
    assert (told.training.epochs, told.num_train, told.num_eval) == (epochs, 100, 25)


def test_a_trial_has_no_other_workers():
    told = settings_of(jobs.make_job("/nowhere", "x", strategy="multi_worker"))
    assert told.of_trial({}, held_out=25).training.strategy == "auto"


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("mode", ["full", "head_only"])
def test_every_trial_starts_from_the_base_model(digits_folder, mode):
    base = jobs.make_job(digits_folder, "base", schedule={"steps": 20}, steps_per_epoch=20)
    train(base)
    job = jobs.make_job(digits_folder, "warm", mode=mode, schedule={"steps": 1})
    told = settings_of(job), job.train_files, job.transform_graph
    still = {"base_learning_rate": 1e-12}
    with Trials(*told) as trials:
        _, cold = trials.run(1, still, ignore)
    with Trials(*told, base.serving_model) as trials:
        _, warm = trials.run(1, still, ignore)
        trials.run(2, {"base_learning_rate": 4.0}, ignore)
        assert trials.run(3, still, ignore)[1] == warm
    assert cold == pytest.approx(math.log(10), abs=1e-5)
    assert warm < cold - 0.2


def test_too_small_a_split_is_refused(digits_folder):
    job = jobs.make_job(digits_folder, "small", mode="head_only")
    with pytest.raises(UserError, match=r"search\.holdout 0\.95 leaves 5 of 100"):
        trials_of(job, holdout=0.95)


@pytest.mark.slow
def test_images_are_decoded_once_for_all_trials(digits_folder, tmp_path):
    """After the first trial of each mode, nothing is read from where the examples were."""
    job = jobs.make_job(digits_folder, "once", mode="full", crop=20)
    copy = Path(shutil.copy(job.train_files[0], tmp_path))
    with Trials(settings_of(job), [str(copy)], job.transform_graph) as trials:
        modes = [{"mode": mode} for mode in ("full", "head_only")]
        before = [trials.run(number, values, ignore) for number, values in enumerate(modes, 1)]
        copy.unlink()
        after = [trials.run(number, values, ignore) for number, values in enumerate(modes, 3)]
    assert after == before


@pytest.mark.slow
def test_no_variable_outlives_the_search(digits_folder):
    import gc

    def variables():
        gc.collect()
        return sum(isinstance(found, tf.Variable) for found in gc.get_objects())

    before = variables()
    with trials_of(jobs.make_job(digits_folder, "freed", mode="head_only")) as trials:
        trials.run(1, {}, ignore)
        held = variables()
        for number in (2, 3):
            trials.run(number, {"base_learning_rate": 0.1}, ignore)
        assert variables() == held > before
    assert variables() == before
