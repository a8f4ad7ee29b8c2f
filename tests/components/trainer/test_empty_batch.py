"""A pushed model answers an empty batch with no rows, whatever its backbone."""

import numpy as np
import pytest
import tensorflow as tf

from components.backbone.config import SHIPPED
from components.backbone.handle import load_backbone
from components.trainer.model import BiTClassifier
from components.trainer.train import train
from tests.components.trainer.jobs import make_job, png
from tests.modules import export_batch_norms


@pytest.fixture(scope="module")
def backbones(tmp_path_factory, tiny_backbone):
    foreign = export_batch_norms(tmp_path_factory.mktemp("backbone") / "batch_norms")
    return {"bit-mini": str(SHIPPED["bit-mini"]), "tiny": str(tiny_backbone), "foreign": foreign}


@pytest.mark.parametrize("name", ["bit-mini", "tiny", "foreign"])
def test_an_empty_batch_has_no_rows(backbones, name):
    model = BiTClassifier(load_backbone(backbones[name], "head_only"), 10)
    for compute in (model, tf.function(model, autograph=False)):
        assert compute(tf.zeros((0, 24, 24, 3))).shape == (0, 10)
    assert model.embed(tf.zeros((0, 24, 24, 3))).shape == (0, model.embedding_size)


@pytest.mark.parametrize("side", [24, 32])
def test_a_saved_network_answers_an_empty_batch(backbones, tmp_path, side):
    """A graph that was saved is optimised otherwise: oneDNN's pooling failed in it alone."""
    model = BiTClassifier(load_backbone(backbones["bit-mini"], "head_only"), 10)
    spec = tf.TensorSpec((None, side, side, 3), tf.float32, name="images")
    model.answer = tf.function(model.__call__, input_signature=[spec], autograph=False)
    signatures = {"answer": model.answer.get_concrete_function()}
    tf.saved_model.save(model, str(tmp_path), signatures=signatures)
    answer = tf.saved_model.load(str(tmp_path)).signatures["answer"]
    for count in (0, 2, 0):
        (logits,) = answer(images=tf.zeros((count, side, side, 3))).values()
        assert logits.shape == (count, 10)


@pytest.mark.parametrize("backbone", ["bit-mini", "foreign"])
def test_every_signature_answers_an_empty_batch(digits_folder, backbones, backbone):
    name = f"empty {backbone}"
    told = {"mode": "head_only", "schedule": {"steps": 1}, "backbone": backbones[backbone]}
    train(make_job(digits_folder, name, **told))
    served = tf.saved_model.load(f"{digits_folder}/{name}/model")
    answers = {
        "probabilities": ((0, 10), tf.float32),
        "class_index": ((0,), tf.int64),
        "class_name": ((0,), tf.string),
    }
    checked = {**answers, "valid": ((0,), tf.bool), "error": ((0,), tf.string)}
    none = tf.constant([], tf.string)
    for signature, given, expected in (
        ("serving_default", none, checked),
        ("predict_image", none, checked),
        ("predict_pixels", tf.zeros((0, 24, 24, 3)), answers),
    ):
        answer = served.signatures[signature](given)
        assert {key: (value.shape, value.dtype) for key, value in answer.items()} == expected
    one = served.signatures["predict_image"](tf.constant([png(0)]))["probabilities"]
    two = served.signatures["predict_image"](tf.constant([png(0), png(1)]))["probabilities"]
    np.testing.assert_allclose(one[0], two[0], atol=1e-6)
