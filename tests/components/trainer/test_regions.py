"""Crops and erased rectangles: their areas and ratios, against the same draws by NumPy."""

import math

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import ks_2samp

from components.trainer.regions import ERASED_AREA, ERASED_RATIOS, RATIOS, erase, inception_crop

SIDE, COUNT = 120, 1500


@pytest.fixture(scope="module")
def seeds():
    return tf.cast(tf.stack([tf.fill([COUNT], 5), tf.range(COUNT)], axis=1), tf.int64)


def windows(seeds, least):
    """Top, left, height and width of every crop, in pixels, from an image that names its places."""
    rows, columns = np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")
    image = tf.constant(np.stack([rows, columns, rows * 0], -1), tf.float32)

    @tf.function
    def ends(seeds):
        def one(seed):
            # Pixels of a crop that is shrunk to two are in the middle of its quarters.
            crop = inception_crop(image, 2, least, seed)
            return tf.stack([crop[0, 0, 0], crop[1, 0, 0], crop[0, 0, 1], crop[0, 1, 1]])

        return tf.map_fn(one, seeds, fn_output_signature=tf.float32)

    top, bottom, left, right = ends(seeds).numpy().T
    height, width = 2 * (bottom - top), 2 * (right - left)
    return top - height / 4 + 0.5, left - width / 4 + 0.5, height, width


def simulated(least, random):
    """TensorFlow's draws: a ratio, then a height among those that the areas allow."""
    found = []
    while len(found) < COUNT:
        ratio = random.uniform(*RATIOS)
        low = round(math.sqrt(least * SIDE**2 / ratio))
        high = min(round(math.sqrt(SIDE**2 / ratio)), SIDE)
        if round(high * ratio) > SIDE:
            high = int((SIDE + 0.5 - 1e-7) / ratio)
        height = random.integers(min(low, high), high + 1)
        width = round(height * ratio)
        if least * SIDE**2 <= height * width <= SIDE**2 and width <= SIDE:
            found.append((height, width))
    return np.array(found).T


@pytest.mark.parametrize("least", [0.05, 0.5])
def test_areas_ratios_and_places_of_crops(seeds, least):
    top, left, height, width = windows(seeds, least)
    areas, ratios = height * width / SIDE**2, width / height
    assert areas.min() >= least - 1e-3
    assert areas.max() <= 1 + 1e-3
    assert ratios.min() >= RATIOS[0] - 0.04
    assert ratios.max() <= RATIOS[1] + 0.06
    expected = simulated(least, np.random.default_rng(1))
    assert ks_2samp(areas, expected[0] * expected[1] / SIDE**2).pvalue > 1e-3
    assert ks_2samp(ratios, expected[1] / expected[0]).pvalue > 1e-3
    for start, size in ((top, height), (left, width)):
        room = SIDE - size
        assert start.min() > -0.6
        assert (start - room).max() < 0.6
        # Anywhere with the same chance.
        places = (start / np.maximum(room, 1))[room > 20]
        assert abs(places.mean() - 0.5) < 0.04
        assert abs(places.std() - 12**-0.5) < 0.04


def test_the_whole_image_is_the_image_resized():
    image = tf.random.stateless_uniform((24, 24, 3), (1, 2))
    same = inception_crop(image, 24, 1.0, tf.constant([1, 2], tf.int64))
    np.testing.assert_allclose(same, image, atol=1e-6)


@pytest.fixture(scope="module")
def erased(seeds):
    """Of every draw: rows and columns of the rectangle, and the noise in one."""
    image = tf.fill((SIDE, SIDE, 3), -1.0)

    @tf.function
    def edges(seeds):
        def one(seed):
            hidden = erase(image, 0.75, seed)[..., 0] >= 0
            rows, columns = tf.reduce_any(hidden, 1), tf.reduce_any(hidden, 0)
            return tf.stack(
                [
                    tf.argmax(tf.cast(rows, tf.int32)),
                    tf.argmax(tf.cast(columns, tf.int32)),
                    tf.math.count_nonzero(rows),
                    tf.math.count_nonzero(columns),
                    tf.math.count_nonzero(hidden),
                ]
            )

        return tf.map_fn(one, seeds, fn_output_signature=tf.int64)

    return edges(seeds).numpy().T


def test_a_rectangle_is_erased_as_often_as_it_should(erased):
    top, left, rows, columns, count = erased
    np.testing.assert_array_equal(rows * columns, count)
    assert (count > 0).mean() == pytest.approx(0.75, abs=0.04)
    assert (top + rows).max() <= SIDE
    assert (left + columns).max() <= SIDE


def test_areas_and_ratios_of_what_is_erased(erased):
    _, _, rows, columns, count = erased
    found = count > 0
    areas, ratios = count[found] / SIDE**2, np.log(rows[found] / columns[found])
    random = np.random.default_rng(2)
    drawn = random.uniform(*ERASED_AREA, 9000), random.uniform(*np.log(ERASED_RATIOS), 9000)
    sides = [SIDE * np.sqrt(drawn[0] * np.exp(sign * drawn[1])) for sign in (1, -1)]
    fits = np.all(np.round(sides) < SIDE, axis=0)
    assert ks_2samp(areas, drawn[0][fits]).pvalue > 1e-3
    assert ks_2samp(ratios, drawn[1][fits]).pvalue > 1e-3


def test_noise_is_even_and_the_rest_stays():
    image = tf.fill((SIDE, SIDE, 3), 2.0)
    hidden = erase(image, 1.0, tf.constant([1, 7], tf.int64)).numpy()
    noise = hidden[hidden != 2]
    assert 0 <= noise.min() < 0.01
    assert 0.99 < noise.max() <= 1
    assert noise.mean() == pytest.approx(0.5, abs=0.01)
    assert noise.var() == pytest.approx(1 / 12, abs=0.003)
    np.testing.assert_array_equal(erase(image, 0.0, tf.constant([1, 7], tf.int64)), image)
