"""Each operation against Pillow's, and what is drawn."""

import math

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from components.trainer.randaugment import OPERATIONS, randaugment

GREY = (128, 128, 128)
STRENGTHS = (-1.0, -0.55, 0.0, 0.3, 0.9, 1.0)


def photograph(seed, height=40, width=40, low=0, high=256):
    """Coloured patches with some noise."""
    random = np.random.default_rng(seed)
    rough = Image.fromarray(random.integers(low, high, (5, 6, 3), np.uint8))
    smooth = np.asarray(rough.resize((width, height), Image.Resampling.BICUBIC), np.int64)
    noisy = smooth + random.integers(-9, 10, smooth.shape)
    return np.clip(noisy, low, high - 1).astype(np.uint8)


IMAGES = [photograph(1), photograph(2, 33, 47), photograph(3, low=60, high=150)]
FLAT = np.full((16, 16, 3), 77, np.uint8)


def moved(image, matrix):
    return image.transform(
        image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST, fillcolor=GREY
    )


def enhanced(kind):
    return lambda image, strength: kind(image).enhance(1 + 0.9 * strength)


def shift(strength, side):
    return round(150 / 331 * strength * side)


PILLOWS = {
    "identity": lambda image, strength: image,
    "autocontrast": lambda image, strength: ImageOps.autocontrast(image),
    "equalize": lambda image, strength: ImageOps.equalize(image),
    "rotate": lambda image, strength: image.rotate(
        30 * strength, Image.Resampling.NEAREST, fillcolor=GREY
    ),
    "solarize": lambda image, strength: ImageOps.solarize(
        image, math.ceil(255 * (1 - abs(strength)))
    ),
    "color": enhanced(ImageEnhance.Color),
    "posterize": lambda image, strength: ImageOps.posterize(image, 8 - round(4 * abs(strength))),
    "contrast": enhanced(ImageEnhance.Contrast),
    "brightness": enhanced(ImageEnhance.Brightness),
    "sharpness": enhanced(ImageEnhance.Sharpness),
    "shear_x": lambda image, strength: moved(image, (1, 0.3 * strength, 0, 0, 1, 0)),
    "shear_y": lambda image, strength: moved(image, (1, 0, 0, 0.3 * strength, 1, 0)),
    "translate_x": lambda image, strength: moved(
        image, (1, 0, shift(strength, image.width), 0, 1, 0)
    ),
    "translate_y": lambda image, strength: moved(
        image, (1, 0, 0, 0, 1, shift(strength, image.height))
    ),
}
BY_A_LEVEL = {"color", "contrast", "brightness", "sharpness"}
"""Their floating-point products may fall on either side of a whole level."""
BY_A_PIXEL = {"rotate", "shear_x", "shear_y"}
"""A point may fall between two pixels."""


def test_every_operation_is_compared():
    assert PILLOWS.keys() == OPERATIONS.keys()
    assert len(OPERATIONS) == 14


@pytest.mark.parametrize("name", OPERATIONS)
def test_it_is_pillows(name):
    for image in [*IMAGES, FLAT]:
        for strength in STRENGTHS:
            levels = tf.constant(image, tf.float32)
            ours = OPERATIONS[name](levels, tf.constant(strength)).numpy()
            theirs = np.asarray(PILLOWS[name](Image.fromarray(image), strength), np.float32)
            off = np.abs(ours - theirs)
            if name in BY_A_LEVEL:
                assert off.max() <= 1, (strength, off.max())
                assert (off > 0).mean() < 0.01
            elif name in BY_A_PIXEL:
                assert (off.max(axis=-1) > 0).mean() < 0.01, strength
            else:
                np.testing.assert_array_equal(ours, theirs, err_msg=str(strength))


def drawn(seed, image=IMAGES[0], layers=1, magnitude=6.0):
    pair = tf.constant([7, seed], tf.int64)
    return randaugment(tf.constant(image / 255, tf.float32), layers, magnitude, pair).numpy()


def test_at_magnitude_zero_only_contrast_is_stretched():
    """Every operation but those without a strength, and solarizing at 255, then does nothing."""
    image = IMAGES[0].astype(np.float32)
    for name, operation in OPERATIONS.items():
        if name not in ("autocontrast", "equalize"):
            changed = operation(tf.constant(image), tf.constant(0.0)).numpy() != image
            assert not changed[image < 255].any(), name


def test_each_operation_is_drawn_as_often_in_both_directions():
    image, magnitude = tf.constant(IMAGES[2], tf.float32), 6.0
    expected = {
        (name, sign): operation(image, tf.constant(sign * magnitude / 10)).numpy() / 255
        for name, operation in OPERATIONS.items()
        for sign in (-1, 1)
    }

    @tf.function
    def many(seeds):
        one = lambda seed: randaugment(image / 255, 1, magnitude, seed)  # noqa: E731
        return tf.map_fn(one, seeds, fn_output_signature=tf.float32)

    count = 700
    seeds = tf.stack([tf.fill([count], 3), tf.range(count)], axis=1)
    seen = dict.fromkeys(expected, 0)
    for image_ in many(tf.cast(seeds, tf.int64)).numpy():
        for key, value in expected.items():
            seen[key] += bool(np.allclose(image_, value, atol=1e-6))
    for name in OPERATIONS:
        both = [seen[name, sign] for sign in (-1, 1)]
        # Of those without a direction both are the same picture: 50 are expected of each.
        total = max(both) if both[0] == both[1] else sum(both)
        assert 25 < total < 75, (name, both)
        if name in ("rotate", "color", "contrast", "brightness", "shear_x", "translate_y"):
            assert min(both) > 9, (name, both)


def test_the_same_seed_draws_the_same_eagerly_and_in_a_graph():
    image = tf.constant(IMAGES[1] / 255, tf.float32)
    graph = tf.function(lambda seed: randaugment(image, 3, 9.0, seed))
    results = []
    for seed in range(12):
        pair = tf.constant([1, seed], tf.int64)
        eager = randaugment(image, 3, 9.0, pair).numpy()
        np.testing.assert_allclose(graph(pair), eager, atol=1.01 / 255)
        np.testing.assert_array_equal(randaugment(image, 3, 9.0, pair), eager)
        assert eager.min() >= 0
        assert eager.max() <= 1
        results.append(eager.tobytes())
    assert len(set(results)) > 9
