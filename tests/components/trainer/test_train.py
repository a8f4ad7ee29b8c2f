"""Whole small trainings, and that what only saves time changes nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.utils.class_weight import compute_class_weight

from components.errors import UserError
from components.trainer.train import train
from pipeline.inputs.code import ROOT
from tests.components.trainer.jobs import learned, make_job, png


@pytest.fixture(scope="module")
def plain(digits_folder):
    """Six steps of a whole network on cropped and mirrored images, nothing kept."""
    return learned(train(make_job(digits_folder, "plain", crop=20, flip=True, cache="off")))


def weights(folder, name):
    served = tf.saved_model.load(f"{folder}/{name}/model")
    images = tf.constant([png(index) for index in range(3)])
    return served.signatures["predict_image"](images)["probabilities"].numpy()


def test_it_learns_and_tells_every_epoch(plain):
    assert [row["epoch"] for row in plain] == [1, 2, 3, 4, 5, 6]
    assert plain[0]["loss"] == pytest.approx(np.log(10), abs=1e-5)
    assert plain[-1]["loss"] < plain[0]["loss"] - 0.05
    assert [row["learning_rate"] for row in plain] == pytest.approx([0.025] * 4 + [0.0025] * 2)
    assert [row["restored"] for row in plain] == [0, 0, 0, 0, 0, 1]


def test_what_it_trained_with_is_kept_with_the_history(digits_folder, plain):
    job = make_job(digits_folder, "plain", crop=20, flip=True, cache="off")
    kept = json.loads(Path(job.model_run, "hyperparameters.json").read_text())
    assert kept.keys() == {
        *("mode", "training", "plan", "base_model", "calibration", "sizes", "class_weights"),
    }
    assert kept["sizes"] == {"resize": 24, "crop": 20, "evaluate": 24, "flip": True}
    assert kept["class_weights"] is None
    assert kept["calibration"] is None
    told = {"mode": kept["mode"], "crop": 20, **kept["training"]}
    assert job.settings.with_hyperparameters(told) == job.settings
    assert (kept["plan"]["steps"], kept["plan"]["mixup"]) == (6, 0.0)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"cache": "memory"}, marks=pytest.mark.slow),
        {"cache": "disk"},
        pytest.param({"cache_limit_mb": 0}, marks=pytest.mark.slow),
        {"batch_split": 4},
        pytest.param({"xla": True}, marks=pytest.mark.slow),
    ],
    ids=lambda changed: str(next(iter(changed.items()))),
)
def test_what_saves_time_or_memory_changes_nothing(digits_folder, plain, changed):
    name = "-".join(f"{key}{value}" for key, value in changed.items())
    rows = learned(train(make_job(digits_folder, name, crop=20, flip=True, **changed)))
    exactly = changed.keys() <= {"cache", "cache_limit_mb"}
    for before, after in zip(plain, rows, strict=True):
        assert after == (before if exactly else pytest.approx(before, abs=1e-5))


def test_a_frozen_backbone_is_asked_once_an_image_and_the_result_is_the_same(digits_folder):
    told = {"mode": "head_only", "steps_per_epoch": 2, "schedule": {"steps": 12}}
    again = learned(train(make_job(digits_folder, "again", cache="off", **told)))
    once = learned(train(make_job(digits_folder, "once", **told)))
    for before, after in zip(again, once, strict=True):
        assert after == pytest.approx(before, abs=1e-5)
    assert once[-1]["loss"] < once[0]["loss"] - 0.05
    np.testing.assert_allclose(
        weights(digits_folder, "once"), weights(digits_folder, "again"), atol=1e-5
    )


@pytest.mark.slow
def test_a_frozen_backbone_sees_augmented_images(digits_folder):
    told = {"mode": "head_only", "crop": 16}
    again = learned(train(make_job(digits_folder, "crops again", cache="off", **told)))
    kept = learned(train(make_job(digits_folder, "crops kept", **told)))
    for before, after in zip(again, kept, strict=True):
        assert after == pytest.approx(before, abs=1e-5)


def test_the_best_epoch_is_restored_and_training_stops_when_none_is_better(digits_folder):
    told = {"schedule": {"steps": 40}, "base_learning_rate": 8.0, "early_stopping_patience": 2}
    rows = train(make_job(digits_folder, "stopped", **told))
    best = max(range(len(rows)), key=lambda index: rows[index]["val_accuracy"])
    assert [row["restored"] for row in rows].index(1) == best
    assert len(rows) == best + 3 < 40
    served = tf.saved_model.load(f"{digits_folder}/stopped/model")
    images = tf.constant([png(index) for index in range(100, 133)])
    right = served.signatures["predict_image"](images)["class_index"].numpy()
    accuracy = np.mean(right == load_digits().target[100:133])
    assert accuracy == pytest.approx(rows[best]["val_accuracy"])


def test_mixup_learns_from_soft_labels(digits_folder):
    told = {"schedule": {"steps": 40}, "steps_per_epoch": 10, "mixup": 0.5}
    rows = train(make_job(digits_folder, "mixup", **told))
    unmixed = train(make_job(digits_folder, "unmixed", **{**told, "mixup": 0}))
    assert rows[-1]["loss"] > unmixed[-1]["loss"]
    assert rows[-1]["val_loss"] < rows[0]["val_loss"]


@pytest.mark.slow
def test_a_last_epoch_may_be_shorter(digits_folder):
    rows = train(make_job(digits_folder, "short", schedule={"steps": 5}, steps_per_epoch=2))
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert not Path(digits_folder, "short", "checkpoints").exists() or not list(
        Path(digits_folder, "short", "checkpoints").iterdir()
    )


RECIPE = {
    "schedule": {"steps": 60, "warmup": 6, "decay": "cosine"},
    "inception_crop": 0.5,
    "randaugment": {"layers": 2, "magnitude": 5},
    "random_erasing": 0.25,
    "label_smoothing": 0.1,
    "class_weights": "balanced",
    "clip_norm": 0.5,
    "mixup": 0.1,
}


@pytest.mark.slow
def test_a_recipe_learns_alike_again_and_without_a_cache(digits_folder):
    told = {**RECIPE, "schedule": {"steps": 6, "warmup": 2, "decay": "cosine"}, "crop": 16}
    once = learned(train(make_job(digits_folder, "recipe", **told)))
    again = learned(train(make_job(digits_folder, "recipe again", cache="off", **told)))
    assert once == again
    other = learned(train(make_job(digits_folder, "recipe 7", seed=7, **told)))
    assert other[-1]["loss"] != once[-1]["loss"]
    kept = json.loads(Path(digits_folder, "recipe", "run", "hyperparameters.json").read_text())
    labels = load_digits().target[:100]
    expected = compute_class_weight("balanced", classes=np.arange(10), y=labels)
    assert kept["class_weights"] == pytest.approx(dict(zip("0123456789", expected, strict=True)))


@pytest.mark.parametrize(
    "told",
    [
        {},
        pytest.param({"flip": True, "cache": "off"}, marks=pytest.mark.slow),
        pytest.param({"mode": "full"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_class_weights_scale_what_each_class_costs(digits_folder, told):
    """A rate of nothing: the loss is log 10 of every image, times its weight."""
    still = {"base_learning_rate": 1e-12, "schedule": {"steps": 1}, "batch_size": 100}
    heavy = {"class_weights": {"3": 5.0, "7": 0.5}, "mode": "head_only", **still, **told}
    (row,) = train(make_job(digits_folder, "heavy", **heavy))
    labels = load_digits().target[:100]
    mean = np.where(labels == 3, 5.0, np.where(labels == 7, 0.5, 1.0)).mean()
    assert row["loss"] == pytest.approx(mean * np.log(10), rel=1e-5)
    assert row["val_loss"] == pytest.approx(np.log(10), rel=1e-5)


KILLED = """
import sys
from components.trainer.settings import Job
from components.trainer.train import train
train(Job.model_validate_json(sys.argv[1]))
"""


def start(job):
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, job.model_dump_json()],
        cwd=ROOT,
        env=os.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("crop", "cache", "more"), [(20, "auto", {}), (None, "off", {}), (16, "auto", RECIPE)]
)
def test_a_killed_training_goes_on_where_it_was_and_ends_the_same(digits_folder, crop, cache, more):
    told = {
        "schedule": {"steps": 60, "boundaries": [20, 40]},
        "steps_per_epoch": 4,
        "early_stopping_patience": 9,
        "crop": crop,
        "flip": bool(crop),
        "cache": cache,
        **more,
    }
    unbroken = train(make_job(digits_folder, f"unbroken{crop}", **told))
    broken = make_job(digits_folder, f"broken{crop}", **told, checkpoint_seconds=0)
    process = start(broken)
    folder = Path(broken.own_checkpoints)
    deadline = time.monotonic() + 120
    while not list(folder.glob("ckpt-1[0-9].index")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not Path(broken.serving_model).exists()
    reached = {int(path.stem.removeprefix("ckpt-")) for path in folder.glob("ckpt-*.index")}
    assert 10 <= max(reached) < 60

    rows = train(broken)
    assert learned(rows) == learned(unbroken)
    np.testing.assert_array_equal(
        weights(digits_folder, f"broken{crop}"), weights(digits_folder, f"unbroken{crop}")
    )
    assert not folder.exists()
    history = json.loads(Path(broken.model_run, "history.json").read_text())
    assert learned(history) == learned(rows)


@pytest.mark.slow
def test_a_damaged_checkpoint_is_named_with_what_to_do(digits_folder, monkeypatch):
    job = make_job(digits_folder, "damaged", checkpoint_seconds=0)
    with monkeypatch.context() as patched:
        patched.setattr("components.trainer.train.remove_checkpoints", lambda folder: None)
        train(job)
    (data,) = Path(job.own_checkpoints).glob("ckpt-*.data-*")
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(UserError, match=r"ckpt-\d+ cannot be read .*Remove .* run again"):
        train(job)
