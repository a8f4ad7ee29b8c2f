"""The shipped weights against the note beside them, and against their random twin."""

import re

import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from components.backbone.architecture import BIT_MINI
from components.backbone.bit import BiT
from components.backbone.bit_mini.pretrain import SEED, augment, probe
from components.backbone.config import SHIPPED


@pytest.mark.slow
def test_the_probes_are_those_of_the_note_and_beat_the_random_twin(tfds_dir):
    digits = tfds.builder("digits", data_dir=str(tfds_dir))
    twin, shipped = BiT(BIT_MINI, SEED), BiT(BIT_MINI, SEED)
    module = tf.saved_model.load(str(SHIPPED["bit-mini"]))
    for stored, weight in zip(module.trainable_variables, shipped.weights.values(), strict=True):
        weight.assign(stored)
    scores = {"twin": probe(twin, digits), "shipped": probe(shipped, digits)}
    note = (SHIPPED["bit-mini"].parent / "PROVENANCE.md").read_text()
    rows = re.findall(r"^\| ([\w-]+) \| (0\.\d+) \| (0\.\d+) \|$", note, re.MULTILINE)
    assert {name for name, _, _ in rows} == set(scores["twin"])
    for name, random, trained in rows:
        assert scores["twin"][name] == pytest.approx(float(random), abs=0.01)
        assert scores["shipped"][name] == pytest.approx(float(trained), abs=0.01)
    assert 1 - scores["shipped"]["linear"] < 0.6 * (1 - scores["twin"]["linear"])
    assert scores["shipped"]["1-shot"] > scores["twin"]["1-shot"] + 0.1
    assert scores["shipped"]["5-shot"] > scores["twin"]["5-shot"] + 0.05


def test_augmentation_of_the_pre_training_keeps_its_contract():
    image = tf.cast(tf.random.uniform((28, 28, 1), 0, 256, tf.int32), tf.uint8)
    for seed in range(12):
        pair = tf.constant([seed, 1], tf.int64)
        pixels, label = augment(image, tf.constant(3), pair)
        assert pixels.shape == (32, 32, 3)
        assert 0 <= float(tf.reduce_min(pixels)) <= float(tf.reduce_max(pixels)) <= 1
        assert int(label) == 3
        assert bool(tf.reduce_all(pixels == augment(image, tf.constant(3), pair)[0]))
