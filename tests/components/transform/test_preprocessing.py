"""The decode and resize graph, eagerly and inside tf.data."""

import functools
import io

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from PIL import Image

from components.transform.config import PreprocessingConfig
from components.transform.preprocessing import preprocessing_fn

WHITE = (255, 255, 255)
SIZES = {"evaluate": 8, "resize": 8, "background": WHITE}


def encoded(mode="RGB", form="PNG", size=(20, 10), **options):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (size[1], size[0], 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, form, **options)
    return stream.getvalue()


def decode_and_resize(data, side):
    """What the step's function makes of one image."""
    inputs = {"image": tf.constant([data]), "label": tf.constant([0], tf.int64)}
    sizes = {"evaluate": side, "resize": side, "background": WHITE}
    outputs = preprocessing_fn(inputs, sizes)
    return outputs["image"][0], outputs["image_side"][0]


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        ("RGB", "PNG"),
        ("RGBA", "PNG"),
        ("L", "PNG"),
        ("P", "PNG"),
        ("RGB", "JPEG"),
        ("L", "JPEG"),
        ("CMYK", "JPEG"),
        ("P", "GIF"),
        ("RGB", "BMP"),
    ],
)
def test_every_format_that_tensorflow_reads_becomes_three_channels(mode, form):
    image, _ = decode_and_resize(encoded(mode, form), 16)
    assert image.shape == (16, 16, 3)
    assert image.dtype == tf.float32
    assert 0.0 <= float(tf.reduce_min(image)) < float(tf.reduce_max(image)) <= 1.0


def test_pixels_are_those_of_the_seed():
    """preprocess_test of the keras.io example: resize, then / 255."""
    data = encoded()
    expected = tf.image.resize(tf.io.decode_png(data), (16, 16)) / 255.0
    np.testing.assert_array_equal(decode_and_resize(data, 16)[0], expected)


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_a_batch_of_either_shape(shape):
    images = tf.reshape(tf.constant([encoded(), encoded(size=(7, 31))]), shape)
    labels = tf.reshape(tf.constant([3, 1], tf.int64), shape)
    outputs = preprocessing_fn({"image": images, "label": labels}, SIZES)
    assert outputs["image"].shape == (2, 8, 8, 3)
    assert outputs["label"].numpy().tolist() == [3, 1]


def test_the_same_inside_tf_data():
    inputs = {"image": tf.constant([encoded()] * 3), "label": tf.constant([0, 1, 2], tf.int64)}
    eager = preprocessing_fn(inputs, SIZES)
    dataset = tf.data.Dataset.from_tensors(inputs).map(lambda x: preprocessing_fn(x, SIZES))
    graph = next(iter(dataset))
    np.testing.assert_array_equal(eager["image"], graph["image"])


def test_training_may_take_another_side_than_evaluation():
    inputs = {"image": tf.constant([encoded()] * 2), "label": tf.constant([0, 1], tf.int64)}
    outputs = preprocessing_fn(inputs, {"evaluate": 8, "resize": 12, "background": WHITE})
    for name, side in (("image", 8), ("train_image", 12)):
        assert outputs[name].shape == (2, side, side, 3)
        alone, _ = decode_and_resize(encoded(), side)
        np.testing.assert_array_equal(outputs[name][0], alone)
    assert "train_image" not in preprocessing_fn(inputs, SIZES)


@pytest.mark.parametrize(
    ("given", "auto", "paper", "settled"),
    [
        ({}, (384, 224), False, (384, 224, 384)),
        ({}, (512, 480), True, (512, 480, 480)),
        ({}, (160, 128), True, (160, 128, 128)),
        ({"resize": 64, "crop": 48}, (512, 480), True, (64, 48, 48)),
        ({"resize": 64, "crop": None}, (512, 480), True, (64, None, 64)),
        ({"resize": 64, "crop": 48}, (384, 224), False, (64, 48, 64)),
        ({"evaluate": 300}, (384, 224), False, (384, 224, 300)),
        ({"resize": 64, "crop": 48, "evaluate": 56}, (512, 480), True, (64, 48, 56)),
    ],
)
def test_sizes_are_settled(given, auto, paper, settled):
    sizes = PreprocessingConfig(**given).sizes(auto, paper)
    assert (sizes.resize, sizes.crop, sizes.evaluate) == settled


@pytest.mark.parametrize("given", [{"resize": 64}, {"crop": 64}, {"crop": None}])
def test_a_resize_without_a_crop_is_refused(given):
    with pytest.raises(ValueError, match="resize and crop go together"):
        PreprocessingConfig(**given)


def test_a_crop_larger_than_the_image_is_refused():
    with pytest.raises(ValueError, match="crop 225 is larger than resize 224"):
        PreprocessingConfig(resize=224, crop=225)


@pytest.mark.parametrize(
    ("size", "side"),
    [
        ((1, 9), 1),
        ((8, 8), 8),
        ((15, 100), 8),
        ((16, 16), 16),
        ((1024, 1023), 512),
        ((64, 999), 64),
    ],
)
def test_the_side_is_the_shorter_one_rounded_down_to_a_power_of_two(size, side):
    _, found = decode_and_resize(encoded(size=size), 8)
    assert found == side


def test_transform_need_not_read_the_data():
    """Without an analyzer or a side effect TFX only traces the graph."""
    specs = {"image": tf.TensorSpec([None], tf.string), "label": tf.TensorSpec([None], tf.int64)}
    sizes = {"evaluate": 16, "resize": 24, "background": WHITE}
    traced = functools.partial(preprocessing_fn, custom_config=sizes)
    assert tft.get_analyze_input_columns(traced, specs) == []
