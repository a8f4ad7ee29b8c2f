"""Trainings that start from an earlier model, and models that none can start from."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.errors import UserError
from components.trainer.model import BiTClassifier
from components.trainer.train import make_model, train
from components.trainer.warm_start import start_from
from tests import modules
from tests.components.trainer.jobs import CLASSES, make_job, png

STILL = {"schedule": {"steps": 1}, "base_learning_rate": 1e-12}
"""One step that changes nothing that could be measured."""


def answers(job):
    """Probabilities, float32 [33, 10], of the eval split."""
    served = tf.saved_model.load(job.serving_model)
    images = tf.constant([png(index) for index in range(100, 133)])
    return served.signatures["predict_image"](images)["probabilities"].numpy()


def warm(folder, name, base, **told):
    """A job that starts from another's model."""
    job = make_job(folder, name, **{**STILL, **told})
    return job.model_copy(update={"base_model": base.serving_model})


@pytest.fixture(scope="module")
def base(digits_folder):
    """A whole network after 20 steps, and its last row."""
    job = make_job(digits_folder, "base", schedule={"steps": 20}, steps_per_epoch=20)
    return job, train(job)[-1]


@pytest.mark.parametrize(
    "told",
    [
        {"mode": "full"},
        {"mode": "head_only"},
        *(
            pytest.param(told, marks=[pytest.mark.slow, pytest.mark.long])
            for told in (
                {"mode": "head_only", "cache": "off"},
                {"mode": "full", "strategy": "mirrored", "batch_split": 2},
                {"mode": "full", "precision": "mixed_bfloat16"},
                {"mode": "head_only", "precision": "mixed_float16"},
                {"mode": "full", "early_stopping_patience": 3},
            )
        ),
    ],
    ids=str,
)
def test_it_begins_where_the_other_ended(digits_folder, base, told):
    before, row = base
    job = warm(digits_folder, f"warm {told}", before, **told)
    (first,) = train(job)
    # The eval split is looked at in the precision of training; embeddings too.
    close = 0.05 if "precision" in told else 1e-5
    assert first["val_loss"] == pytest.approx(row["val_loss"], abs=close)
    assert first["loss"] < np.log(10) - 0.2
    np.testing.assert_allclose(answers(job), answers(before), atol=1e-5)
    kept = json.loads(Path(job.model_run, "hyperparameters.json").read_text())
    assert kept["base_model"] == before.serving_model


@pytest.mark.slow
def test_it_goes_on_learning_from_there(digits_folder, base):
    before, row = base
    told = {"schedule": {"steps": 20}, "steps_per_epoch": 20, "base_learning_rate": 0.4}
    (last,) = train(warm(digits_folder, "learns", before, **told))
    assert last["loss"] < row["loss"] - 0.1
    assert last["val_loss"] < row["val_loss"]


def test_without_one_it_begins_from_the_backbone(digits_folder):
    job = make_job(digits_folder, "cold", **STILL)
    (first,) = train(job)
    assert first["loss"] == pytest.approx(np.log(10), abs=1e-5)
    assert json.loads(Path(job.model_run, "hyperparameters.json").read_text())["base_model"] is None


def test_checkpoints_of_another_base_are_another_trainings(digits_folder, base):
    job, _ = base
    cold = make_job(digits_folder, "same", **STILL)
    one = cold.model_copy(update={"base_model": job.serving_model})
    other = cold.model_copy(update={"base_model": "/elsewhere"})
    assert len({each.own_checkpoints for each in (cold, one, other)}) == 3


def changed(job, **settings):
    return job.model_copy(update={"settings": job.settings.model_copy(update=settings)})


def test_a_model_of_another_number_of_classes_is_refused(digits_folder, base):
    job = changed(warm(digits_folder, "nine", base[0]), class_names=CLASSES[:9])
    with pytest.raises(UserError, match=r"^training\.warm_start: .* 10 classes, .* data have 9: "):
        train(job)
    assert not Path(job.serving_model).exists()


def test_a_model_of_another_network_is_refused(digits_folder, base, tiny_backbone):
    job = warm(digits_folder, "tiny", base[0])
    job = changed(job, backbone_path=str(tiny_backbone), trainable_parameters=None)
    with pytest.raises(
        UserError, match=r"^training\.warm_start: .* a different network .* 280,920"
    ):
        train(job)


class Normalising(tf.Module):
    """A network that is no BiT: batch norms' statistics are variables that do not train."""

    def __init__(self):
        super().__init__()
        self.mean = tf.Variable(tf.zeros(3), trainable=False, name="norm/mean")
        self.kernel = tf.Variable(tf.ones((3, 4)), name="kernel")
        self.seen = tf.Variable(0, trainable=False, dtype=tf.int64, name="norm/seen")

    def __call__(self, images):
        return (tf.reduce_mean(images, (1, 2)) - self.mean) @ self.kernel


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    module = Normalising()
    saved = tf.train.Checkpoint(module=module)
    saved.variables = [module.mean, module.kernel, module.seen]
    saved.trainable_variables = [module.kernel]
    saved.regularization_losses = []
    saved.__call__ = tf.function(module.__call__, input_signature=[modules.IMAGES])
    folder = tmp_path_factory.mktemp("foreign") / "module"
    tf.saved_model.save(saved, str(folder))
    return str(folder)


@pytest.mark.parametrize("modes", [("full", "head_only"), ("head_only", "full")])
def test_a_foreign_network_takes_all_its_variables_in_either_mode(tmp_path, foreign, modes):
    def model_of(mode):
        job = make_job(tmp_path, "x", mode=mode)
        return make_model(changed(job, backbone_path=foreign, trainable_parameters=None).settings)

    before, after = map(model_of, modes)
    for number, variable in enumerate(before.all_variables, 1):
        variable.assign(tf.fill(variable.shape, tf.cast(number, variable.dtype)))
    export(before, tmp_path / "model")
    start_from(after, str(tmp_path / "model"))
    images = tf.random.stateless_uniform((2, 8, 8, 3), (1, 2))
    np.testing.assert_array_equal(after(images), before(images))
    assert len(after.all_variables) == 5
    for one, other in zip(before.all_variables, after.all_variables, strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one, other)


def export(model: BiTClassifier, folder):
    """As `signatures.export` does, without a transform graph."""
    served = tf.Module()
    served.model_variables = list(model.all_variables)
    tf.saved_model.save(served, str(folder))
