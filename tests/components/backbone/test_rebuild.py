"""A BiT is known by what it computes, rebuilt to the last bit; anything else is left as it is."""

import gc

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub

from components.backbone.architecture import BIT_MINI, Architecture
from components.backbone.bit import BiT
from components.backbone.config import SHIPPED
from components.backbone.handle import load_backbone
from components.errors import UserError
from tests.modules import export, renamed, untidy

TINY = Architecture(depths=(2, 1), widths=(8, 16), root_channels=8, groups=4)
PUBLISHED_GROUPS = Architecture(depths=(1, 1), widths=(32, 64), root_channels=32)


def tiny(architecture=TINY):
    return untidy(BiT(architecture, seed=2))


def images(count=4, side=32):
    return tf.random.stateless_uniform((count, side, side, 3), (0, 3))


def learned(layer, batch):
    """Pre-logits, and the gradients of a loss by a weight's name."""

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            pre_logits = layer(batch)
            loss = tf.reduce_mean(tf.cos(tf.range(4, dtype=tf.float32))[:, None] * pre_logits**2)
        return pre_logits, tape.gradient(loss, layer.trainable_variables)

    pre_logits, gradients = step()
    names = [variable.name for variable in layer.trainable_variables]
    return pre_logits.numpy(), dict(zip(names, gradients, strict=True))


def test_the_shipped_module_is_rebuilt_and_learns_the_same():
    path = str(SHIPPED["bit-mini"])
    ours, theirs = load_backbone(path, "full"), hub.KerasLayer(path, trainable=True)
    assert ours.architecture == BIT_MINI
    (here, own), (there, given) = (learned(layer, images()) for layer in (ours, theirs))
    assert np.abs(here - there).max() <= 1e-6 * np.abs(there).max()
    assert own.keys() == given.keys()
    assert len(own) == len(BIT_MINI.weight_shapes())
    for name, gradient in given.items():
        assert np.abs(own[name] - gradient).max() <= 1e-5 * np.abs(gradient).max(), name
        assert np.abs(gradient).max() > 0, name


@pytest.mark.parametrize("architecture", [TINY, PUBLISHED_GROUPS])
def test_the_groups_are_found(tmp_path, architecture):
    bit = tiny(architecture)
    path = export(tmp_path / "module", bit, bit.weights.values())
    assert load_backbone(path, "full").architecture == architecture


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: f"resnet/{name}",
        lambda name: f"my/model/{name}",
        lambda name: name.replace("a/standardized_conv2d", "a/standardized_conv2d_3"),
    ],
)
def test_weights_are_known_under_other_names(tmp_path, rename):
    bit = renamed(tiny(), rename)
    path = export(tmp_path / "module", bit, bit.weights.values())
    layer = load_backbone(path, "head_only")
    assert layer.architecture == TINY
    assert np.abs(layer(images()) - bit(images())).max() < 1e-6


@pytest.mark.parametrize(
    ("taken", "to_ours"),
    [(r"\[-1, 1\]", lambda x: (x + 1.0) / 2.0), (r"\[0, 255\]", lambda x: x / 255.0)],
)
def test_a_bit_that_takes_another_range_is_refused(tmp_path, taken, to_ours):
    bit = tiny()
    path = export(tmp_path / "module", lambda x: bit(to_ours(x)), bit.weights.values())
    with pytest.raises(UserError, match=rf"expects images in {taken}, but they are in \[0, 1\]"):
        load_backbone(path, "head_only")


def assert_used_as_it_is(path, call):
    layer = load_backbone(path, "full")
    assert layer.architecture is None
    assert layer.trainable_variables
    np.testing.assert_allclose(layer(images()), call(images()), rtol=1e-5)


def test_weights_of_a_bit_that_compute_otherwise_are_used_as_they_are(tmp_path):
    bit = tiny()

    def call(x):
        return 2.0 * bit(x)

    assert_used_as_it_is(export(tmp_path / "module", call, bit.weights.values()), call)


def test_a_bit_with_a_head_is_used_as_it_is(tmp_path):
    bit = tiny()
    head = tf.Variable(tf.random.stateless_normal((64, 5), (1, 1)), name="head/dense/kernel")

    def call(x):
        return bit(x) @ head

    assert_used_as_it_is(export(tmp_path / "module", call, [*bit.weights.values(), head]), call)


def test_another_network_is_used_as_it_is(tmp_path):
    kernel = tf.Variable(tf.random.stateless_normal((3, 3, 3, 8), (1, 1)), name="conv/kernel")

    def call(x):
        return tf.reduce_max(tf.nn.conv2d(x, kernel, 1, "SAME"), (1, 2))

    assert_used_as_it_is(export(tmp_path / "module", call, [kernel]), call)


def variables_alive():
    gc.collect()
    # By type alone: to ask some objects for their class is to load TensorFlow lazily.
    kinds = [o for o in gc.get_objects() if issubclass(type(o), tf.Variable)]
    return sum(int(np.prod(variable.shape)) for variable in kinds)


def test_the_modules_own_variables_are_let_go(tmp_path):
    bit = tiny()
    path = export(tmp_path / "module", bit, bit.weights.values())
    before = variables_alive()
    layer = load_backbone(path, "full")
    assert variables_alive() - before == TINY.parameter_count()
    assert len(layer.variables) == len(TINY.weight_shapes())


def test_head_only_has_nothing_to_train_and_full_all(tmp_path):
    bit = tiny()
    path = export(tmp_path / "module", bit, bit.weights.values())
    frozen, whole = load_backbone(path, "head_only"), load_backbone(path, "full")
    assert frozen.trainable_variables == []
    assert len(frozen.variables) == len(whole.trainable_variables) == len(bit.weights)


@pytest.mark.parametrize("mode", ["full", "head_only"])
def test_the_count_is_held_against_the_configured_one(tmp_path, mode):
    bit = tiny()
    path = export(tmp_path / "module", bit, bit.weights.values())
    count = TINY.parameter_count()
    load_backbone(path, mode, trainable_parameters=count)
    if mode == "head_only":
        load_backbone(path, mode, trainable_parameters=7)
        return
    with pytest.raises(UserError, match=rf"trainable_parameters is 7, .* has {count}\."):
        load_backbone(path, mode, trainable_parameters=7)


def test_it_is_a_layer_that_keras_keeps_and_saves(tmp_path):
    import tf_keras as keras

    class Classifier(keras.Model):
        def __init__(self, backbone):
            super().__init__()
            self.backbone = backbone
            self.head = keras.layers.Dense(2)

        def call(self, x):
            return self.head(self.backbone(x))

    model = Classifier(load_backbone(str(SHIPPED["bit-mini"]), "full"))
    before = model(images())
    assert len(model.trainable_variables) == len(BIT_MINI.weight_shapes()) + 2
    served = tf.Module()
    served.model_variables = list(model.variables)
    spec = tf.TensorSpec((None, None, None, 3), tf.float32)
    served.call = tf.function(lambda x: model(x, training=False), input_signature=[spec])
    tf.saved_model.save(served, str(tmp_path / "served"))
    kept = model.get_weights()
    model.set_weights([np.zeros_like(value) for value in kept])
    assert np.abs(model(images())).max() == 0
    model.set_weights(kept)
    np.testing.assert_array_equal(model(images()), before)
    loaded = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(loaded.call(images()), before, rtol=1e-5, atol=1e-6)
