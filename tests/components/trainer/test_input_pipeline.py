"""Augmentation per image, and the datasets around the transform graph."""

import numpy as np
import pytest
import tensorflow as tf

from components.trainer.augment import augment, mixup
from components.trainer.augmentation import Augmentation
from components.trainer.input_pipeline import Draws, Split, one_pass, train_batches, worker_part
from components.trainer.train_step import cross_entropy
from components.transform.config import ImageSizes


def ramp(count, side=8):
    """Images whose pixels name their own place: [row, column, 0]."""
    rows, columns = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    image = np.stack([rows, columns, np.zeros_like(rows)], -1).astype(np.float32)
    return tf.constant(np.repeat(image[np.newaxis], count, 0))


def config(crop=None, flip=False):
    return ImageSizes(resize=8, crop=crop, evaluate=8, flip=flip)


SEED = tf.constant([1, 2], tf.int64)
RECIPE = Augmentation.model_validate(
    {"inception_crop": 0.2, "randaugment": {"layers": 2, "magnitude": 8}, "random_erasing": 0.5}
)


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


def test_parts_of_a_batch_get_the_draws_of_the_whole():
    whole = augment(ramp(12), config(crop=5, flip=True), SEED)
    parts = [augment(ramp(4), config(crop=5, flip=True), SEED, place, 12) for place in (0, 4, 8)]
    np.testing.assert_array_equal(tf.concat(parts, 0), whole)


@pytest.mark.parametrize(("crop", "side"), [(5, 5), (None, 8)])
def test_a_recipe_changes_every_image_by_its_own_draws(crop, side):
    images = tf.repeat(tf.random.stateless_uniform((1, 8, 8, 3), (1, 2)), 40, axis=0)
    changed = augment(images, config(crop, flip=True), SEED, more=RECIPE).numpy()
    assert changed.shape == (40, side, side, 3)
    assert 0 <= changed.min() < changed.max() <= 1
    assert len({image.tobytes() for image in changed}) > 35
    parts = [
        augment(images[:10], config(crop, flip=True), SEED, place, 40, RECIPE)
        for place in (0, 10, 20, 30)
    ]
    np.testing.assert_array_equal(tf.concat(parts, 0), changed)


def test_an_inception_crop_takes_the_place_of_the_other_and_of_nothing_else():
    whole = Augmentation(inception_crop=1.0)
    crops = augment(ramp(20), config(crop=8), SEED, more=whole).numpy()
    np.testing.assert_allclose(crops, ramp(20), atol=1e-5)


def test_mixup_blends_a_batch_with_itself_in_reverse():
    images, labels = tf.random.stateless_uniform((6, 2, 2, 3), (1, 2)), tf.range(6, dtype=tf.int64)
    weights = set()
    for seed in range(20):
        mixed, soft = mixup(images, labels, 6, 0.4, tf.constant([7, seed], tf.int64))
        weight = float(soft[0, 0])
        weights.add(round(weight, 6))
        np.testing.assert_allclose(
            mixed, weight * images + (1 - weight) * images[::-1], rtol=1e-5, atol=1e-6
        )
        np.testing.assert_allclose(tf.reduce_sum(soft, 1), 1, atol=1e-6)
        np.testing.assert_allclose(soft[:, 0], [weight, 0, 0, 0, 0, 1 - weight], atol=1e-6)
    assert len(weights) == 20


def test_mixups_weights_are_of_a_beta_distribution():
    def blend(step):
        two = tf.zeros((2, 1, 1, 3)), tf.range(2, dtype=tf.int64)
        return mixup(*two, 2, 0.1, tf.stack([tf.constant(3, tf.int64), step]))[1][0, 0]

    @tf.function
    def blends(steps):
        return tf.map_fn(blend, steps, fn_output_signature=tf.float32)

    drawn = blends(tf.range(4000, dtype=tf.int64)).numpy()
    # Beta(a, a): mean 1/2, variance 1 / (4 (2a + 1)).
    assert abs(drawn.mean() - 0.5) < 0.03
    assert drawn.var() == pytest.approx(1 / (4 * 1.2), rel=0.05)
    assert np.isfinite(drawn).all()


def test_the_loss_of_soft_labels_is_the_blend_of_the_losses_of_hard_ones():
    logits = tf.random.stateless_normal((4, 3), (1, 2))
    first, second = tf.constant([0, 1, 2, 0], tf.int64), tf.constant([2, 2, 0, 1], tf.int64)
    soft = 0.3 * tf.one_hot(first, 3) + 0.7 * tf.one_hot(second, 3)
    hard = 0.3 * cross_entropy(first, logits) + 0.7 * cross_entropy(second, logits)
    np.testing.assert_allclose(cross_entropy(soft, logits), hard, rtol=1e-5)


def numbers(count, at_once):
    """A split whose images hold their own number in every pixel."""

    def fetch(elements):
        images = tf.ones((8, 8, 3)) * tf.cast(elements, tf.float32)[:, None, None, None]
        return images, elements

    return Split(tf.data.Dataset.range(count), count, fetch, at_once)


def read(dataset, steps):
    return [(x.numpy(), y.numpy()) for x, y in dataset.take(steps)]


def draws(batch_size=6, shuffle_buffer=100, **more):
    return Draws(batch_size, shuffle_buffer, 3, **{"sizes": None, **more})


@pytest.mark.parametrize(("count", "batch"), [(12, 4), (10, 4), (3, 4), (7, 7), (5, 1)])
@pytest.mark.parametrize("buffer", [1, 3, 100])
def test_every_pass_has_every_example_once_in_an_order_of_its_own(count, batch, buffer):
    steps = -(-count * 6 // batch)
    batches = read(train_batches(numbers(count, 2), draws(batch, buffer)), steps)
    read_ = np.concatenate([labels for _, labels in batches])[: count * 6].reshape(6, count)
    assert all(sorted(one) == list(range(count)) for one in read_)
    if buffer == 100 and count > 3:
        assert len({tuple(one) for one in read_}) >= 5
    for images, labels in batches:
        assert images.shape == (batch, 8, 8, 3)
        np.testing.assert_array_equal(images[:, 0, 0, 0], labels)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"sizes": config(5, True), "mixup": 0.4, "num_classes": 10},
        {"sizes": config(5, True), "augmentation": RECIPE},
    ],
    ids=["none", "mixup", "recipe"],
)
@pytest.mark.parametrize("step", [1, 2, 5, 17])
def test_it_can_start_at_any_step(step, more):
    whole = read(train_batches(numbers(10, 2), draws(**more)), step + 4)
    later = read(train_batches(numbers(10, 2), draws(**more), step), 4)
    for (images, labels), (same, theirs) in zip(whole[step:], later, strict=True):
        np.testing.assert_array_equal(images, same)
        np.testing.assert_array_equal(labels, theirs)


@pytest.mark.parametrize("at_once", [1, 2, 3, 4, 6, 1000])
@pytest.mark.parametrize("recipe", [Augmentation(), RECIPE], ids=["plain", "recipe"])
def test_what_is_fetched_at_once_changes_nothing(at_once, recipe):
    told = {"sizes": config(5, True), "augmentation": recipe}
    one = read(train_batches(numbers(10, 6), draws(**told)), 8)
    other = read(train_batches(numbers(10, at_once), draws(**told)), 8)
    for (images, labels), (same, theirs) in zip(one, other, strict=True):
        np.testing.assert_array_equal(images, same)
        np.testing.assert_array_equal(labels, theirs)


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("recipe", [Augmentation(), RECIPE], ids=["plain", "recipe"])
def test_workers_share_every_batch_and_its_draws(workers, recipe):
    told = {"sizes": config(5, True), "augmentation": recipe}
    whole = read(train_batches(numbers(10, 2), draws(**told)), 7)
    parts = [
        read(train_batches(numbers(10, 2), draws(**told, worker=(i, workers))), 7)
        for i in range(workers)
    ]
    for step, (images, labels) in enumerate(whole):
        shared = [part[step] for part in parts]
        np.testing.assert_array_equal(np.concatenate([x for x, _ in shared]), images)
        np.testing.assert_array_equal(np.concatenate([y for _, y in shared]), labels)


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 3])
def test_a_seed_is_an_order(seed):
    tf.random.set_seed(seed + 1)
    one, same = (
        [labels.tolist() for _, labels in read(train_batches(numbers(9, 2), order), 9)]
        for order in (Draws(6, 100, seed, None), Draws(6, 100, seed, None))
    )
    other = [y.tolist() for _, y in read(train_batches(numbers(9, 2), Draws(6, 100, 5, None)), 9)]
    assert one == same != other


@pytest.mark.parametrize(("count", "batch"), [(10, 4), (4, 4), (3, 8), (9, 2)])
def test_one_pass_is_everything_in_its_order(count, batch):
    batches = read(one_pass(numbers(count, 2), batch), 100)
    assert np.concatenate([labels for _, labels in batches]).tolist() == list(range(count))
    assert all(len(labels) == batch for _, labels in batches[:-1])


@pytest.mark.parametrize("workers", [1, 2, 3, 12])
def test_workers_share_a_pass_without_an_element_lost_or_read_twice(workers):
    parts = [worker_part(numbers(10, 4), (index, workers)) for index in range(workers)]
    seen = [[int(label) for _, labels in one_pass(part, 4) for label in labels] for part in parts]
    assert [len(labels) for labels in seen] == [part.count for part in parts]
    assert max(map(len, seen)) - min(map(len, seen)) <= 1
    assert sorted(label for labels in seen for label in labels) == list(range(10))
