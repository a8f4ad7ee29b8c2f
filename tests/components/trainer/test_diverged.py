"""Training ends at the first loss that is not finite, says where, and leaves no model."""

import io
import logging
import math
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from PIL import Image

from components.errors import UserError
from components.trainer.checkpoint import Checkpoints, NoCheckpoints, State
from components.trainer.config import TrainingConfig
from components.trainer.diverged import DivergedError
from components.trainer.loop import Loop
from components.trainer.plan import make_plan
from components.trainer.train import train
from components.trainer.train_step import Steps
from tests.components.trainer.jobs import learned, make_job, png
from tests.modules import export

LONG = [pytest.mark.slow, pytest.mark.long]
TOO_HIGH = {"base_learning_rate": 1e38, "schedule": {"steps": 60}, "steps_per_epoch": 30}


def loop_of(losses, evaluations=(), read_every=1, **training):
    """A loop over given losses of steps and of looks, and how often it asked for one."""
    told = {"schedule": {"steps": 40}, "steps_per_epoch": 20, "batch_size": 8, **training}
    training, asked = TrainingConfig(**told), []

    def step(inputs, labels):
        asked.append(inputs)
        return tf.constant([losses.get(len(asked), 8.0), 4.0])

    looks = iter(evaluations)
    plan, weight = make_plan(training, 100), tf.Variable(1.0)
    made = Loop(plan, training, step, lambda: next(looks), weight.assign, [weight], read_every)
    rows = []

    def run():
        return made.run(lambda step: iter(lambda: (0, 0), None), NoCheckpoints(), rows.append)

    return run, asked, rows


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("read_every", "done"), [(1, 7), (5, 10), (16, 16), (100, 20)])
def test_the_first_step_is_named_whenever_its_loss_is_read(value, read_every, done):
    losses = {7: value, 8: math.nan, 12: math.inf}
    run, asked, rows = loop_of(losses, read_every=read_every, base_learning_rate=0.64)
    with pytest.raises(DivergedError) as caught:
        run()
    said = str(caught.value)
    assert f"step 7 of 40 (epoch 1, rate 0.01): the training loss is {value}, which is" in said
    assert "Lower training.base_learning_rate, for example from 0.64 to 0.064" in said
    assert "precision" not in said
    assert (len(asked), rows) == (done, [])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_epoch_whose_eval_loss_is_not_finite_is_never_the_best(value):
    """Its accuracy would be the highest: the largest of NaN logits is that of class 0."""
    looks = [(2.0, 0.5), (value, 0.6)]
    run, _, rows = loop_of({}, looks, early_stopping_patience=3, precision="mixed_float16")
    with pytest.raises(DivergedError) as caught:
        run()
    said = str(caught.value)
    assert f"step 40 of 40 (epoch 2, rate 4.688e-05): the loss on the eval split is {value}" in said
    assert "training.precision from mixed_float16 to float32" in said
    assert [row["epoch"] for row in rows] == [1, 2]


def test_a_first_loss_that_is_not_finite_is_not_blamed_on_the_rate():
    run, _, _ = loop_of({1: math.nan}, precision="mixed_float16")
    with pytest.raises(UserError) as caught:
        run()
    said = str(caught.value)
    assert "Nothing has been learned yet" in said
    assert "base_learning_rate" not in said
    assert "training.precision from mixed_float16 to float32" in said


def test_finite_losses_are_summed_the_same_however_they_are_read():
    losses = {step: 8.0 + step / 7 for step in range(1, 41)}
    looks = [(2.0, 0.5), (1.0, 0.6)]
    one, other = (loop_of(losses, looks, read_every)[0]() for read_every in (1, 16))
    assert learned(one) == learned(other)
    assert one[1]["loss"] == pytest.approx(np.mean([8 + s / 7 for s in range(21, 41)]) / 8)


def test_logits_that_are_not_finite_name_no_class():
    logits = tf.constant(
        [[1.0, 0.0], [math.nan, math.nan], [math.nan, 0.0], [math.inf, 0.0], [1.0, -math.inf]]
    )
    training = TrainingConfig(batch_size=5)
    steps = Steps(lambda x, _: x, lambda x, _: x, [], None, training)
    for labels in (tf.zeros(5, tf.int64), tf.one_hot([0] * 5, 2)):
        assert steps.evaluate(logits, labels)[1] == 1


@pytest.mark.parametrize(
    "told",
    [
        {"mode": "full"},
        {"mode": "head_only"},
        pytest.param({"mode": "head_only", "crop": 16, "mixup": 0.2}, marks=pytest.mark.slow),
        pytest.param({"mode": "full", "batch_split": 4}, marks=LONG),
        pytest.param({"mode": "full", "xla": True}, marks=LONG),
        pytest.param(
            {"mode": "full", "precision": "mixed_float16", "base_learning_rate": 1e5},
            marks=pytest.mark.slow,
        ),
        # The loss is so large and finite that its scale leaves out every step.
        {"mode": "full", "precision": "mixed_float16", "base_learning_rate": 1e15},
        pytest.param({"mode": "full", "early_stopping_patience": 5}, marks=LONG),
    ],
    ids=["full", "embeddings", "mixup", "parts", "xla", "float16", "left out", "patience"],
)
def test_a_training_ends_where_its_loss_does(digits_folder, tiny_backbone, told):
    job = make_job(digits_folder, "diverged", backbone=tiny_backbone, **{**TOO_HIGH, **told})
    with pytest.raises(UserError, match=r"step \d+ of 60 .*not finite.* Lower training\.base_lear"):
        train(job)
    assert not Path(job.serving_model).exists()
    assert not Path(job.model_run, "history.json").exists()


def test_a_frozen_network_that_gives_nan_for_an_image_is_named(digits_folder, tmp_path):
    """Not the rate, which has no part in it."""

    def call(images):
        means = tf.reduce_mean(images, (1, 2))
        return tf.where(means < 0.256, math.nan, means)

    told = {"mode": "head_only", "backbone": export(tmp_path / "backbone", call)}
    dark = [np.mean(Image.open(io.BytesIO(png(index)))) / 255 < 0.256 for index in range(133)]
    with pytest.raises(UserError) as caught:
        train(make_job(digits_folder, "dark", **told))
    count, first = sum(dark[100:]), dark[100:].index(True) + 1
    assert f"NaN or infinity for {count} of the 33 images read from the eval split" in str(
        caught.value
    )
    assert f"the first is number {first}." in str(caught.value)


def test_no_checkpoint_has_weights_that_are_not_finite_nor_is_one_taken_up_for_ever(
    digits_folder, tiny_backbone
):
    told = {**TOO_HIGH, "checkpoint_seconds": 0}
    job = make_job(digits_folder, "diverges on", mode="head_only", backbone=tiny_backbone, **told)
    failures = []
    for left in (True, False):
        with pytest.raises(UserError, match=r"step \d+ of 60") as caught:
            train(job)
        failures.append(str(caught.value))
        newest = tf.train.latest_checkpoint(job.own_checkpoints)
        assert bool(newest) == left
        if newest:
            reader = tf.train.load_checkpoint(newest)
            stored = reader.get_variable_to_shape_map()
            names = [name for name in stored if name.startswith("variables/")]
            assert len(names) == 2
            assert all(np.isfinite(reader.get_tensor(name)).all() for name in names)
            saved = int(newest.rpartition("-")[2])
    assert failures[0] == failures[1]
    assert 1 <= saved < int(re.search(r"step (\d+)", failures[0])[1])


def test_weights_that_are_not_finite_are_not_saved(tmp_path, caplog):
    weight = tf.Variable([1.0, 2.0])
    mask = tf.Variable([-math.inf], trainable=False)
    checkpoints = Checkpoints(str(tmp_path), 0, [weight, mask], [], keras.optimizers.SGD(0.1))
    checkpoints.save(State(step=1))
    weight.assign([1.0, math.nan])
    with caplog.at_level(logging.WARNING):
        checkpoints.save(State(step=2))
    assert "no checkpoint after step 2: a weight is NaN or infinite" in caplog.text
    assert Path(tf.train.latest_checkpoint(str(tmp_path))).name == "ckpt-1"
    assert checkpoints.restore() == State(step=1)
    np.testing.assert_array_equal(weight, [1.0, 2.0])
