"""Images changed at random: nothing passes the screen that a later step dies of."""

import numpy as np
import pytest

from components.example_gen.config import ScreenConfig
from components.example_gen.screen.acceptance import Accepted, screen
from components.transform.pixels import decoder
from tests.poison import GOOD, encode, good, picture

LIMITS = ScreenConfig(max_pixels=1_000_000, convert=("avif", "bmp", "cmyk", "gif", "tiff", "webp"))
SIZE = (24, 20)
WHOLE = {
    **{kind: good(7, kind, SIZE) for kind in GOOD},
    "jpeg-cmyk": encode(picture(7, SIZE).convert("CMYK"), "JPEG"),
    "jpeg-restarts": encode(picture(7, SIZE), "JPEG", restart_marker_blocks=1),
    "png-interlaced": encode(picture(7, SIZE).quantize(16), "PNG", transparency=3),
    "gif-transparent": encode(picture(7, SIZE).quantize(16), "GIF", transparency=3, interlace=1),
    "bmp-palette": encode(picture(7, SIZE).quantize(16), "BMP"),
    "webp": encode(picture(7, SIZE), "WEBP"),
    "webp-lossless": encode(picture(7, SIZE).convert("RGBA"), "WEBP", lossless=True),
    "tiff": encode(picture(7, SIZE), "TIFF"),
    "tiff-lzw": encode(picture(7, SIZE), "TIFF", compression="tiff_lzw"),
    "avif": encode(picture(7, SIZE), "AVIF", speed=10),
}


def mutated(whole, random):
    """One of: bytes changed, cut out, put in, doubled; in the header as often as elsewhere."""
    image = bytearray(whole)
    for _ in range(random.integers(1, 4)):
        end = min(len(image), 64) if random.random() < 0.5 else len(image)
        at, count = int(random.integers(0, end)), int(random.integers(1, 9))
        way = random.integers(0, 4)
        if way == 0:
            image[at] = random.integers(0, 256)
        elif way == 1:
            del image[at : at + count]
        elif way == 2:
            image[at:at] = random.bytes(count)
        else:
            image[at:at] = image[at : at + 40]
    return bytes(image)


def check(kind, seed, rounds):
    random = np.random.default_rng(seed)
    decode = decoder((255, 255, 255))
    accepted = 0
    for _ in range(rounds):
        found = screen(mutated(WHOLE[kind], random), LIMITS)
        if isinstance(found, Accepted):
            accepted += 1
            pixels = decode(found.image)
            assert pixels.shape == (found.height, found.width, 3)
        else:
            assert found.sentence
            assert "\n" not in found.sentence
    return accepted


@pytest.mark.parametrize("kind", sorted(WHOLE))
def test_what_passes_is_decoded_later(kind):
    check(kind, 1, 60)


def test_some_pass_and_some_do_not():
    assert 0 < check("bmp", 2, 60) < 60


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(WHOLE))
def test_of_very_many_none_that_passes_is_not_decoded_later(kind):
    check(kind, 3, 3_000)
