"""What a backbone must do is looked at when it is loaded, and told in a sentence."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from components.backbone.handle import load_backbone
from components.errors import UserError
from tests.modules import IMAGES, export


@pytest.fixture
def kernel():
    return tf.Variable(tf.random.stateless_normal((3, 8), (1, 1)), name="kernel")


def refused(folder, call, spec=IMAGES):
    with pytest.raises(UserError) as raised:
        load_backbone(export(folder / "module", call, spec=spec), "head_only")
    assert "backbone.handle: the SavedModel in" in str(raised.value)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def mean(x):
    return tf.reduce_mean(x, (1, 2))


@pytest.mark.parametrize(
    "spec",
    [
        tf.TensorSpec((None,), tf.string),
        tf.TensorSpec((None, None, None, 3), tf.uint8),
        tf.TensorSpec((None, None, None, 1), tf.float32),
        tf.TensorSpec((1, None, None, 3), tf.float32),
    ],
)
def test_what_takes_no_such_batch_is_refused(tmp_path, spec):
    def call(x):
        return tf.ones((tf.shape(x)[0], 4))

    assert "does not take a batch of float32 images" in refused(tmp_path, call, spec)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x,
        lambda x: {"features": mean(x)},
        lambda x: tf.argmax(mean(x), axis=1),
        lambda x: tf.cast(mean(x), tf.int32),
    ],
)
def test_what_gives_no_vectors_of_floats_is_refused(tmp_path, call):
    assert "does not return one vector of floats per image" in refused(tmp_path, call)


def test_a_length_that_is_not_known_is_refused(tmp_path):
    def call(x):
        return tf.reshape(x, (tf.shape(x)[0], -1))

    assert "does not declare the length of its pre-logits" in refused(tmp_path, call)


def test_nan_is_refused(tmp_path):
    assert "returns NaN or infinity" in refused(tmp_path, lambda x: tf.math.log(mean(x) - 0.5))


def test_a_module_of_whole_pixels_sees_nothing_and_is_refused(tmp_path):
    def call(x):
        return mean(tf.floor(tf.minimum(x, 0.99)))

    assert "does it expect [0, 255]?" in refused(tmp_path, call)


def test_what_cannot_be_called_is_refused(tmp_path):
    module = tf.Module()
    module.kernel = tf.Variable(1.0)
    tf.saved_model.save(module, str(tmp_path))
    with pytest.raises(UserError, match=r"cannot be called as a hub module.*`__call__`"):
        load_backbone(str(tmp_path), "full")


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float64])
def test_pre_logits_are_float32_whatever_the_module_gives(tmp_path, kernel, dtype):
    path = export(tmp_path / "module", lambda x: tf.cast(mean(x) @ kernel, dtype), [kernel])
    assert load_backbone(path, "full")(tf.ones((2, 8, 8, 3))).dtype == tf.float32


def test_a_keras_model_of_one_image_size_is_a_backbone_for_that_size(tmp_path):
    inputs = keras.Input((24, 40, 3))
    x = keras.layers.Conv2D(4, 3)(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.5)(x)
    keras.Model(inputs, keras.layers.Flatten()(x)).save(str(tmp_path), save_format="tf")
    layer = load_backbone(str(tmp_path), "full")
    images = tf.random.stateless_uniform((2, 24, 40, 3), (0, 1))
    assert len(layer.trainable_variables) == 4
    assert len(layer.variables) == 6
    still = layer(images, training=False).numpy()
    np.testing.assert_array_equal(layer(images, training=False), still)
    # Dropout and batch statistics hear of training.
    assert np.abs(layer(images, training=True) - still).max() > 0.01


def test_keras_policy_rounds_neither_images_nor_pre_logits(tmp_path, kernel):
    path = export(tmp_path / "module", lambda x: mean(x) @ kernel, [kernel])
    images = tf.random.stateless_uniform((2, 8, 8, 3), (0, 1))
    expected = load_backbone(path, "full")(images)
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        found = load_backbone(path, "full")(images)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    np.testing.assert_allclose(found, expected, rtol=1e-6)
