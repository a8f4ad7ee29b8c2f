"""Images that look alike have hashes that are alike, and others have not."""

import itertools

import imagehash
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from components.example_gen.config import ScreenConfig
from components.example_gen.screen.acceptance import screen
from components.example_gen.screen.looks import phash
from tests.drawn import draw_flower
from tests.poison import encode, picture

COUNT = 40


@pytest.fixture(scope="module")
def photographs():
    """Pieces of the two real ones in scikit-learn's wheel."""
    random = np.random.default_rng(0)
    images = []
    for pixels in load_sample_images().images * (COUNT // 2):
        height, width = random.integers(150, 400, 2)
        top, left = random.integers(0, pixels.shape[0] - height), random.integers(0, 240)
        images.append(Image.fromarray(pixels[top : top + height, left : left + width]))
    return images


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    """Flowers, flat and symmetric: many of the waves that a hash compares are near nothing."""
    path = tmp_path_factory.mktemp("drawn") / "flower.jpg"
    random = np.random.default_rng(0)
    images = []
    for index in range(COUNT):
        draw_flower(path, index % 5, random)
        with Image.open(path) as image:
            images.append(image.convert("RGB"))
    return images


def again(images):
    """The images encoded once more, and so at half the size."""
    halves = [image.resize((image.width // 2, image.height // 2)) for image in images]
    return [encode(image, "JPEG", quality=90) for image in [*images, *halves]]


def distances(images):
    """Bits in which each of `again` differs from its image, as both come through the screen."""
    pngs = [encode(image, "PNG") for image in images]
    left, right = (
        [screen(image, ScreenConfig()).phash for image in encoded]
        for encoded in (pngs * 2, again(images))
    )
    return np.array([(a ^ b).bit_count() for a, b in zip(left, right, strict=True)])


def test_it_is_the_hash_of_the_library_where_no_pixel_is_left_out():
    for seed in range(10):
        image = picture(seed, (1_000, 700))
        assert f"{phash(np.asarray(image)):016x}" == str(imagehash.phash(image))


def test_photographs_keep_theirs_through_an_encoder_and_at_half_the_size(photographs):
    distance = distances(photographs)
    assert np.mean(distance == 0) > 0.85
    assert np.mean(distance <= 3) > 0.98


def test_drawings_mostly_do(drawings):
    distance = distances(drawings)
    assert np.mean(distance == 0) > 0.5
    assert np.mean(distance <= 4) > 0.8


def test_large_images_keep_theirs_though_few_pixels_are_looked_at():
    for seed in range(5):
        image = picture(seed, (3_000 - 300 * seed, 1_500 + 400 * seed))
        few, whole = phash(np.asarray(image)), int(str(imagehash.phash(image)), 16)
        assert (few ^ whole).bit_count() <= 2


def test_different_photographs_differ_more(photographs):
    one, other = photographs[::2], photographs[1::2]
    hashes = [[phash(np.asarray(image)) for image in images] for images in (one, other)]
    assert min((a ^ b).bit_count() for a, b in itertools.product(*hashes)) > 8
