"""The best epoch is restored whole: what training learns, and what it changes besides."""

import logging

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from components.trainer.checkpoint import Checkpoints, State
from components.trainer.train import train
from tests.components.trainer.jobs import judge, learned, make_job
from tests.modules import export_batch_norms

TOLD = {
    "schedule": {"steps": 24},
    "steps_per_epoch": 2,
    "base_learning_rate": 8.0,
    "early_stopping_patience": 4,
}
"""So high a rate that the best epoch is not the last."""


@pytest.fixture(scope="module")
def batch_norms(tmp_path_factory):
    return export_batch_norms(tmp_path_factory.mktemp("backbone") / "batch_norms")


@pytest.fixture(scope="module")
def unbroken(digits_folder, batch_norms):
    return train(make_job(digits_folder, "norms", backbone=batch_norms, **TOLD))


def assert_exported_is_best(folder, name, rows):
    (best,) = [row for row in rows if row["restored"]]
    assert best["epoch"] < len(rows)
    accuracy, loss = judge(folder, name)
    assert accuracy == pytest.approx(best["val_accuracy"], abs=1e-6)
    assert loss == pytest.approx(best["val_loss"], rel=1e-4)


def test_the_exported_model_is_the_best_epochs_with_its_batch_norms(digits_folder, unbroken):
    assert_exported_is_best(digits_folder, "norms", unbroken)


class KilledError(Exception):
    """In the place of a signal."""


def test_a_training_that_goes_on_after_its_best_epoch_restores_it_whole(
    digits_folder, batch_norms, unbroken, monkeypatch
):
    job = make_job(digits_folder, "norms again", backbone=batch_norms, checkpoint_seconds=0, **TOLD)
    best = next(row["epoch"] for row in unbroken if row["restored"])
    save = Checkpoints.save

    def die(self, state):
        save(self, state)
        if len(state.rows) > best:
            raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "save", die)
        with pytest.raises(KilledError):
            train(job)
    rows = train(job)
    assert learned(rows) == learned(unbroken)
    assert_exported_is_best(digits_folder, "norms again", rows)


def test_a_frozen_module_changes_nothing_but_its_head(digits_folder, batch_norms):
    """hub.KerasLayer calls a frozen module with training=False: its statistics stay."""
    train(make_job(digits_folder, "frozen", mode="head_only", backbone=batch_norms, **TOLD))
    served = tf.saved_model.load(f"{digits_folder}/frozen/model").model_variables
    before = tf.saved_model.load(batch_norms).variables
    # Keras lists what it trains first.
    stored = {each.name: each.numpy() for each in before}
    assert len(stored) == len(served) - 2 == 10
    for variable in served[:-2]:
        np.testing.assert_array_equal(variable, stored[variable.name])


def test_a_checkpoint_of_fewer_variables_is_ignored_and_said(tmp_path, caplog):
    def checkpoints(*variables):
        best = [tf.Variable(each) for each in variables[-1:] if len(variables) == 1] or [
            tf.Variable(each) for each in variables
        ]
        return Checkpoints(str(tmp_path), 0, variables, best, keras.optimizers.SGD(0.1))

    checkpoints(tf.Variable(1.0)).save(State(step=3))
    weight, mean = tf.Variable(5.0), tf.Variable(6.0, trainable=False)
    with caplog.at_level(logging.WARNING):
        assert checkpoints(weight, mean).restore() == State()
    assert "ckpt-3 is ignored: it has 1 values of `variables` and the model 2" in caplog.text
    assert (weight.numpy(), mean.numpy()) == (5.0, 6.0)
    assert checkpoints(tf.Variable(7.0)).restore() == State(step=3)
