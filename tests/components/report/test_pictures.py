"""Which images a report shows."""

import hashlib
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.evaluator.prediction_table import example_key, tabulate
from components.report.pictures import (
    LIMIT,
    MISTAKES,
    PER_CELL,
    SIDE,
    choose,
    make_album,
    thumbnail,
)


def encoded(size, form="PNG", mode="RGB", colour=128):
    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, form)
    return out.getvalue()


def record(image, label):
    features = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    return tf.train.Example(
        features=tf.train.Features(feature=features)
    ).SerializeToString()  # fmt: skip


def keys_of(records):
    return [example_key(record) for record in records]


def test_the_surest_mistakes_come_first():
    labels, predicted = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    assert choose(labels, predicted, np.array([0.9, 0.6, 0.8, 0.5]))[:2] == [2, 1]


def test_every_confusion_shows_some_and_the_page_has_a_limit():
    random = np.random.default_rng(0)
    labels, predicted = random.integers(0, 40, (2, 20_000))
    chosen = choose(labels, predicted, random.random(20_000))
    assert len(chosen) == LIMIT
    few = choose(labels % 3, predicted % 3, random.random(20_000))
    cells = [(labels[row] % 3, predicted[row] % 3) for row in few[MISTAKES:]]
    assert {cells.count(cell) for cell in set(cells)} <= set(range(1, PER_CELL + 1))
    assert len(set(cells)) == 9


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_thumbnail_of_a_photograph_is_a_small_jpeg(mode):
    small = thumbnail(encoded((400, 200), "JPEG", mode))
    with Image.open(io.BytesIO(small)) as image:
        assert (image.format, image.size) == ("JPEG", (SIDE, SIDE // 2))


def test_a_tiny_image_stays_as_it_is():
    small = thumbnail(encoded((8, 8), mode="L"))
    with Image.open(io.BytesIO(small)) as image:
        assert (image.format, image.size) == ("PNG", (8, 8))


@pytest.mark.parametrize("data", [b"", b"no image", encoded((50, 50))[:60]])
def test_what_cannot_be_decoded_is_empty(data):
    assert thumbnail(data) == b""


def test_an_album_finds_the_images_of_predictions_by_their_records():
    records = [record(encoded((8, 8), colour=(index, 0, 0)), index % 2) for index in range(20)]
    probabilities = np.full((20, 2), 0.5, np.float32)
    probabilities[:, 1] = np.where(np.arange(20) == 6, 0.9, np.arange(20) % 2)
    probabilities[:, 0] = 1 - probabilities[:, 1]
    table = tabulate(keys_of(records), np.arange(20) % 2, probabilities, [()] * 20)
    digest = hashlib.sha256(encoded((8, 8), colour=(6, 0, 0))).digest()

    def sources(digests):
        assert digest in digests
        return {digest: "zeros/6.png"}

    album = make_album(table, records[::-1], records, sources)
    (mistake,) = album.mistakes
    picture = album.pictures[mistake]
    assert (picture.true, picture.predicted, picture.probability) == (0, 1, pytest.approx(0.9))
    assert picture.source == "zeros/6.png"
    assert {each.source for each in album.pictures if each is not picture} == {""}
    with Image.open(io.BytesIO(picture.image)) as image:
        assert image.getpixel((0, 0)) == (6, 0, 0)
    assert album.cells[0, 1] == (mistake,)
    assert len(album.cells[0, 0]) == 9
    assert len(album.samples) == 20
    assert all(album.pictures[position].predicted is None for position in album.samples)


def test_an_image_without_a_class_is_a_mistake_and_in_no_cell():
    records = [record(encoded((8, 8), colour=(index, 0, 0)), 0) for index in range(2)]
    probabilities = np.array([[np.nan, 0.5], [0.75, 0.25]], np.float32)
    table = tabulate(keys_of(records), np.array([0, 0]), probabilities, [()] * 2)
    album = make_album(table, records, [], lambda digests: {})
    (mistake,) = album.mistakes
    assert (album.pictures[mistake].true, album.pictures[mistake].predicted) == (0, None)
    assert album.cells.keys() == {(0, 0)}
