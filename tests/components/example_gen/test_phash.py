"""Images that look alike have hashes that are alike, and others have not."""

import io
import itertools

import imagehash
import numpy as np
import pytest
from PIL import Image

from components.example_gen.config import ScreenConfig
from components.example_gen.phash import phash
from components.example_gen.screen import screen
from tests.drawn import draw_flower
from tests.poison import encode, picture

COUNT = 40


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Drawn flowers, and landscapes of soft shapes and noise, some larger than is sampled."""
    path = tmp_path_factory.mktemp("drawn") / "flower.jpg"
    random = np.random.default_rng(0)
    images = []
    for index in range(COUNT):
        if index % 2:
            images.append(picture(index, (600 + 60 * index, 1_900 - 30 * index)))
            continue
        draw_flower(path, index % 5, random)
        with Image.open(path) as image:
            images.append(image.convert("RGB"))
    return images


def hashes(images, kind="PNG", **options):
    """Of the images as they come out of an encoder and through the screen."""
    return [screen(encode(image, kind, **options), ScreenConfig()).phash for image in images]


def distances(left, right):
    return np.array([(a ^ b).bit_count() for a, b in zip(left, right, strict=True)])


def test_it_is_the_hash_of_the_library_where_nothing_is_left_out():
    for seed in range(10):
        image = picture(seed, (300, 200))
        assert f"{phash(np.asarray(image)):016x}" == str(imagehash.phash(image))


def test_an_image_encoded_again_has_nearly_the_same(photographs):
    distance = distances(hashes(photographs), hashes(photographs, "JPEG", quality=90))
    assert np.mean(distance == 0) > 0.5
    assert np.mean(distance <= 4) > 0.95


def test_an_image_of_half_the_size_has_nearly_the_same(photographs):
    halves = [image.resize((image.width // 2, image.height // 2)) for image in photographs]
    distance = distances(hashes(photographs), hashes(halves))
    assert np.mean(distance == 0) > 0.5
    assert np.mean(distance <= 4) > 0.95


def test_other_images_have_others(photographs):
    pairs = itertools.combinations(hashes(photographs[1::2]), 2)
    assert min((a ^ b).bit_count() for a, b in pairs) > 8


def test_one_of_a_single_pixel_has_one():
    image = io.BytesIO()
    Image.new("RGB", (1, 1), "red").save(image, "PNG")
    assert screen(image.getvalue(), ScreenConfig()).phash >= 0
