"""Augmentation per image, and the datasets around the transform graph."""

import numpy as np
import pytest
import tensorflow as tf

from components.trainer.input_pipeline import augment
from components.transform.config import PreprocessingConfig


def ramp(count, side=8):
    """Images whose pixels name their own place: [row, column, 0]."""
    rows, columns = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    image = np.stack([rows, columns, np.zeros_like(rows)], -1).astype(np.float32)
    return tf.constant(np.repeat(image[np.newaxis], count, 0))


def config(crop=None, flip=False):
    return (
        PreprocessingConfig(resize=8, crop=crop, flip=flip)
        if crop is None or crop >= 8
        else (PreprocessingConfig.model_construct(resize=8, crop=crop, flip=flip))
    )


SEED = tf.constant([1, 2], tf.int64)


def test_nothing_is_changed_where_nothing_is_on():
    images = ramp(4)
    np.testing.assert_array_equal(augment(images, config(), SEED), images)


def test_about_half_of_the_images_are_mirrored_each_by_its_own_draw():
    images = ramp(400)
    flipped = augment(images, config(flip=True), SEED).numpy()
    mirrored = np.array([np.array_equal(image, images[0].numpy()[:, ::-1]) for image in flipped])
    same = np.array([np.array_equal(image, images[0].numpy()) for image in flipped])
    assert np.all(mirrored ^ same)
    assert 150 < mirrored.sum() < 250


def test_crops_are_whole_windows_drawn_per_image_and_reach_every_corner():
    crops = augment(ramp(500), config(crop=5), SEED).numpy()
    assert crops.shape == (500, 5, 5, 3)
    corners = {(int(crop[0, 0, 0]), int(crop[0, 0, 1])) for crop in crops}
    assert corners == {(row, column) for row in range(4) for column in range(4)}
    for crop in crops:
        np.testing.assert_array_equal(crop[:, :, 0] - crop[0, 0, 0], np.mgrid[:5, :5][0])
        np.testing.assert_array_equal(crop[:, :, 1] - crop[0, 0, 1], np.mgrid[:5, :5][1])


def test_a_crop_of_the_full_size_is_no_crop():
    images = ramp(3)
    np.testing.assert_array_equal(augment(images, config(crop=8), SEED), images)


@pytest.mark.parametrize("seed", [0, 7])
def test_a_seed_gives_the_same_draws_eagerly_and_in_a_graph(seed):
    pair = tf.constant([seed, seed], tf.int64)
    eager = augment(ramp(16), config(crop=5, flip=True), pair)
    graph = tf.function(lambda s: augment(ramp(16), config(crop=5, flip=True), s))(pair)
    np.testing.assert_array_equal(eager, graph)
    other = augment(ramp(16), config(crop=5, flip=True), pair + 1)
    assert not np.array_equal(eager, other)
