"""Every image of the corpus as Pillow shows it: in the graph, in training and in a served model."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from PIL import Image

from components.example_gen.config import ScreenConfig
from components.example_gen.screen.acceptance import Accepted, screen
from components.transform.marks import read_marks
from components.transform.pixels import decode, decoder, turned
from tests import corpus
from tests.components.trainer import jobs
from tests.image_table import BEGIN, END, verdict, written

CASES = list(corpus.cases())
ACCEPTED = [case for case in CASES if verdict(case) == "right"]
GREEN = (10, 200, 90)


class Served(tf.Module):
    """The pixels themselves, by the graph that a model reads."""

    def __init__(self, background):
        super().__init__()
        self.background = background

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def pixels(self, encoded):
        text = tf.TensorSpec((), tf.string)
        return tf.map_fn(
            lambda image: tf.io.serialize_tensor(decode(image, self.background)),
            encoded,
            fn_output_signature=text,
        )


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Exported and loaded: a list of images -> their pixels."""
    folder = str(tmp_path_factory.mktemp("served"))
    models = {}
    for background in (corpus.WHITE, GREEN):
        tf.saved_model.save(Served(background), f"{folder}/{background[0]}")
        models[background] = tf.saved_model.load(f"{folder}/{background[0]}")

    def pixels(images, background=corpus.WHITE):
        found = models[background].pixels(tf.constant(images))
        return [tf.io.parse_tensor(each, tf.uint8).numpy() for each in found]

    return pixels


def apart(one, other):
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def names_of(cases):
    return [f"{case.format} {case.says}" for case in cases]


@pytest.mark.parametrize("background", [corpus.WHITE, GREEN])
def test_a_served_model_sees_what_pillow_shows(served, background):
    found = served([case.encoded for case in ACCEPTED], background)
    far = {
        f"{case.format} {case.says}": apart(pixels, case.seen(background))
        for case, pixels in zip(ACCEPTED, found, strict=True)
    }
    assert {name: levels for name, levels in far.items() if levels > corpus.LEVELS} == {}
    assert len(found) > 100


def test_training_sees_the_same(tmp_path):
    jobs.write_graph(tmp_path, resize=24, evaluate=24)
    layer = tft.TFTransformOutput(f"{tmp_path}/graph").transform_features_layer()
    images = tf.constant([case.encoded for case in ACCEPTED])
    labels = tf.zeros(len(ACCEPTED), tf.int64)
    found = layer({"image": images, "label": labels})
    for case, pixels in zip(ACCEPTED, found["image"].numpy(), strict=True):
        expected = tf.image.resize(case.seen(corpus.WHITE), (24, 24)).numpy()
        assert np.abs(255 * pixels - expected).max() <= corpus.LEVELS + 0.01, case.says


@pytest.mark.parametrize("case", CASES, ids=names_of(CASES))
def test_what_the_screen_takes_is_what_pillow_shows(case):
    for limits in (ScreenConfig(), ScreenConfig(convert=("bmp", "gif", "tiff", "webp", "cmyk"))):
        found = screen(case.encoded, limits)
        if isinstance(found, Accepted):
            pixels = decoder(corpus.WHITE)(found.image)
            assert apart(pixels, case.seen(corpus.WHITE)) <= corpus.LEVELS
            assert (found.height, found.width) == pixels.shape[:2]


def test_the_table_of_the_docs_is_what_the_corpus_shows():
    """Written by `python -m tests.image_table`."""
    text = Path("docs/reference/images.md").read_text(encoding="utf-8")
    assert text[text.index(BEGIN) : text.index(END)] == written()


def test_one_image_alone_in_eager_mode():
    case = next(case for case in CASES if "orientation 6" in case.says)
    assert apart(decode(tf.constant(case.encoded), corpus.WHITE).numpy(), case.seen()) == 0


def test_the_strips_of_a_large_image_meet(served):
    """2.1 million pixels are composited in three strips, of which the last is shorter."""
    pixels = np.random.default_rng(7).integers(0, 256, (1501, 1400, 4), np.uint8)
    shown = Image.new("RGBA", (1400, 1501), (*GREEN, 255))
    shown.alpha_composite(Image.fromarray(pixels))
    found = served([corpus.saved(Image.fromarray(pixels), "PNG", compress_level=0)], GREEN)
    assert apart(found[0], np.asarray(shown.convert("RGB"))) <= 1


def test_images_that_need_nothing_are_decoded_to_the_very_bits(served):
    plain = [corpus.png(corpus.picture(), 8, 2), corpus.png(corpus.picture()[..., :1], 8, 0)]
    for image, pixels in zip(plain, served(plain), strict=True):
        np.testing.assert_array_equal(pixels, tf.io.decode_png(image, channels=3))
    # One that needs something does not change those beside it.
    mixed = served([*plain, corpus.oriented_jpeg(6)])
    np.testing.assert_array_equal(mixed[0], tf.io.decode_png(plain[0], channels=3))


@pytest.mark.parametrize(
    "image",
    [
        b"",
        b"no image",
        b"BM",
        b"GIF89a",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"II*\0" + bytes(40),
    ],
)
def test_no_image_is_an_error_and_not_a_guess(served, image):
    with pytest.raises(tf.errors.InvalidArgumentError):
        served([image])


CONVERTED = [case for case in CASES if verdict(case).startswith("`convert")]


@pytest.mark.parametrize("case", CONVERTED, ids=names_of(CONVERTED))
def test_a_served_model_refuses_what_the_screen_converts(served, case):
    with pytest.raises(tf.errors.InvalidArgumentError, match="send it as a PNG"):
        served([case.encoded])


def test_damaged_exif_is_not_followed_and_never_fails():
    """Every byte of a directory changed, and every length cut, against a reader of a few lines."""
    random = np.random.default_rng(0)
    whole = corpus.exif(6, ">", before=2, after=2)
    damaged = [whole[:cut] for cut in range(len(whole))]
    for _ in range(400):
        changed = bytearray(whole)
        for place in random.integers(0, len(whole), 3):
            changed[place] = random.integers(0, 256)
        damaged.append(bytes(changed))
    offsets = (0, 2, 2**31 - 1, 2**31, 2**32 - 1)
    damaged += [whole[:4] + struct.pack(">I", offset) + whole[8:] for offset in offsets]
    damaged += [whole[:8] + b"\xff\xff" + whole[10:]]
    jpeg = corpus.rgb_jpeg()
    images = [
        corpus.with_segments(jpeg, corpus.segment(corpus.APP1, b"Exif\0\0" + each))
        for each in damaged
    ]
    found = read_marks(tf.constant(images)).orientation.numpy()
    expected = [_orientation(each) for each in damaged]
    assert found.tolist() == expected
    assert 6 in expected[len(whole) :]


def _orientation(tiff):
    """By struct, as Pillow follows whole numbers."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8 or tiff[2:4] not in (b"*\0", b"\0*"):
        return 1
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    if start + 2 > len(tiff):
        return 1
    (count,) = struct.unpack_from(order + "H", tiff, start)
    value = 1
    for place in range(min(count, (len(tiff) - start - 2) // 12)):
        at = start + 2 + 12 * place
        tag, kind, number = struct.unpack_from(order + "HHI", tiff, at)
        most = {3: 2, 8: 2, 4: 1, 9: 1, 13: 1}.get(kind, 0)
        if tag == 0x0112 and 1 <= number <= most:
            form = "H" if kind in (3, 8) else "I"
            value = struct.unpack_from(order + form, tiff, at + 8)[0]
    return value if 1 <= value <= 8 else 1


def test_a_file_of_markers_alone_ends():
    endless = b"\xff\xd8" + b"\xff\xe1\x00\x02" * 30_000
    assert read_marks(tf.constant([endless])).orientation.numpy().tolist() == [1]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_orientation_is_turned_as_pillow_turns_it(orientation):
    image = corpus.png(
        corpus.picture(), 8, 2, before=corpus.chunk(b"eXIf", corpus.exif(orientation))
    )
    found = turned(tf.constant(corpus.picture()), tf.constant(orientation))
    np.testing.assert_array_equal(found, corpus.as_seen(image))


def test_all_images_of_one_kind_have_their_property():
    """The corpus is what it says it is: variants differ from each other in their pixels."""
    seen = {
        case.says: case.seen() for case in CASES if re.match(r"orientation \d \(eXIf", case.says)
    }
    assert len({image.tobytes() for image in seen.values()}) == 8
