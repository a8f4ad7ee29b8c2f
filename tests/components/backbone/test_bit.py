"""The network against an independent NumPy computation, and its export against hub.KerasLayer."""

import numpy as np
import pytest
import tensorflow as tf

from components.backbone.architecture import BIT_MINI, Architecture
from components.backbone.bit import BiT
from components.backbone.config import SHIPPED
from components.backbone.handle import load_backbone
from tests.numpy_bit import TWO_STAGES, NumpyBiT


@pytest.mark.parametrize("side", [16, 19])
def test_forward_pass_is_the_papers(side):
    bit = BiT(TWO_STAGES, seed=3)
    random = np.random.default_rng(0)
    for name, weight in bit.weights.items():
        if "group_norm" in name:
            weight.assign(random.normal(1, 0.5, weight.shape))
    images = random.random((2, side, side, 3))
    reference = NumpyBiT(bit.weights, groups=2)(images)
    ours = bit(tf.constant(images, tf.float32)).numpy()
    assert ours.shape == (2, 32)
    np.testing.assert_allclose(ours, reference, rtol=1e-3, atol=1e-4)


def test_weights_are_the_architectures():
    bit = BiT(TWO_STAGES)
    shapes = {name: tuple(weight.shape) for name, weight in bit.weights.items()}
    assert shapes == TWO_STAGES.weight_shapes()


def test_a_seed_draws_the_same_weights():
    name = "root_block/standardized_conv2d/kernel"
    first, again, other = (BiT(TWO_STAGES, seed).weights[name].numpy() for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_hub_layer_trains_every_weight(tiny_backbone):
    layer = load_backbone(str(tiny_backbone), "full")
    architecture = Architecture(depths=(1,), widths=(4,), root_channels=4, groups=2)
    assert len(layer.trainable_variables) == len(architecture.weight_shapes())
    images = np.random.default_rng(0).random((8, 16, 16, 3), np.float32)
    with tf.GradientTape() as tape:
        spread = tf.reduce_sum(tf.math.square(layer(images, training=True) - 1.0))
    for slope in tape.gradient(spread, layer.trainable_variables):
        assert np.any(slope.numpy())


def test_hub_layer_freezes_in_head_only(tiny_backbone):
    layer = load_backbone(str(tiny_backbone), "head_only")
    assert layer.trainable_variables == []
    assert layer(tf.zeros((1, 16, 16, 3))).shape == (1, 16)


def test_the_shipped_backbone_is_bit_mini():
    layer = load_backbone(str(SHIPPED["bit-mini"]), "full")
    count = sum(int(np.prod(variable.shape)) for variable in layer.trainable_variables)
    assert count == BIT_MINI.parameter_count()
    size = sum(f.stat().st_size for f in SHIPPED["bit-mini"].rglob("*") if f.is_file())
    assert size < 3e6
    assert layer(tf.zeros((2, 32, 32, 3))).shape == (2, BIT_MINI.embedding_size)
