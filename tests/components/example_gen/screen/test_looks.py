"""What the index says of how an image is shown."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.example_gen.config import ScreenConfig
from components.example_gen.screening import IndexedExample, screen_record
from components.example_gen.sources.stored import Stored
from tests import corpus

ALL = ScreenConfig(convert=("gif", "tiff", "webp"))


def row_of(image):
    features = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[0])),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    kept = screen_record(Stored("a.png", example.SerializeToString()), ALL, 1)
    assert isinstance(kept, IndexedExample)
    return kept.row


def rgba(colour, alpha, form="PNG", **options):
    pixels = np.concatenate([np.broadcast_to(np.uint8(colour), (8, 8, 3)), alpha[..., None]], -1)
    return corpus.saved(Image.fromarray(pixels.astype(np.uint8)), form, **options)


RAMP = np.arange(64).reshape(8, 8) * 4
HALF = np.repeat(np.uint8([[0], [255]]), 4, 0).repeat(8, 1)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_orientation_and_the_sides_after_it(orientation):
    cases = {case.says: case for case in corpus.cases() if case.format in ("PNG", "TIFF", "WebP")}
    names = [f"orientation {orientation}{how}" for how in (" (eXIf)", " (Exif)", "")]
    for image in [*(cases[name].encoded for name in names), corpus.oriented_jpeg(orientation)]:
        row = row_of(image)
        assert row.orientation == orientation
        height, width = corpus.as_seen(image).shape[:2]
        assert (row.height, row.width) == (height, width)
        assert (row.transparent, row.colour) == (0.0, None)


@pytest.mark.parametrize(
    ("image", "share", "colour"),
    [
        (rgba((9, 8, 7), HALF), 0.5, "#090807"),
        (rgba((0, 0, 0), RAMP), 1.0, "#000000"),
        (rgba((255, 255, 255), HALF), 0.5, "#ffffff"),
        (rgba((9, 8, 7), np.zeros((8, 8))), 1.0, ""),
        (rgba((9, 8, 7), np.full((8, 8), 255)), 0.0, "#090807"),
        (rgba((9, 8, 7), HALF, "WEBP", lossless=True, exact=True), 0.5, "#090807"),
        (corpus.saved(Image.new("RGB", (40, 30), (1, 2, 3)), "PNG"), 0.0, "#010203"),
        (corpus.saved(Image.new("L", (40, 30), 255), "JPEG"), 0.0, "#ffffff"),
        (corpus.saved(Image.fromarray(corpus.picture()), "PNG"), 0.0, None),
        (corpus.saved(Image.fromarray(corpus.picture()), "BMP"), 0.0, None),
        (corpus.gif(((0, 0, 36, 24), {"transparent": 5}), screen=(36, 24)), 14 / 864, None),
    ],
)
def test_transparency_and_colour(image, share, colour):
    row = row_of(image)
    assert row.transparent == pytest.approx(share, abs=0.002)
    assert row.colour == colour


def test_one_pixel_of_another_colour_is_seen():
    image = Image.new("RGB", (501, 377), (1, 2, 3))
    image.putpixel((322, 101), (1, 2, 4))
    assert row_of(corpus.saved(image, "PNG")).colour is None


@pytest.mark.parametrize(("row", "colour"), [(None, "#090807"), (0, None), (1203, None)])
def test_a_large_image_is_looked_at_in_strips(row, colour):
    pixels = np.zeros((1204, 1000, 4), np.uint8)
    pixels[...] = (9, 8, 7, 128)
    pixels[600:] = (200, 0, 0, 0)
    if row is not None:
        pixels[row, 7] = (9, 8, 27, 255)
    found = row_of(corpus.saved(Image.fromarray(pixels), "PNG"))
    assert found.transparent == pytest.approx(1.0, abs=1e-5)
    assert found.colour == colour
