"""Which images are set aside, and why: every kind, at every limit, whatever the bytes."""

import io
import resource
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from components.example_gen.config import ScreenConfig
from components.example_gen.screen.acceptance import Accepted, Reason, Refused, check_label, screen
from components.transform.pixels import decoder
from tests import poison
from tests.corpus import as_seen
from tests.poison import GOOD, KINDS, LIMITS, encode, good, picture

SEEDS = (0, 1, 2, 3)


def convert(*kinds):
    return ScreenConfig(convert=kinds)


def decoded(image):
    """As training decodes it."""
    return decoder((255, 255, 255))(image)


@pytest.fixture
def no_decoder(monkeypatch):
    """Whoever decodes fails the test."""

    def fail(*_, **__):
        pytest.fail("an image was decoded")

    monkeypatch.setattr("components.example_gen.screen.acceptance.decode", fail)
    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", GOOD)
def test_what_tensorflow_decodes_is_accepted_as_it_is(kind, seed):
    size = (33 + 20 * seed, 80 - 15 * seed)
    image = good(seed, kind, size)
    found = screen(image, LIMITS)
    assert isinstance(found, Accepted), found
    assert found.image is image
    assert (found.format, found.width, found.height) == (kind.split("-")[0], *size)
    assert 0 <= found.phash < 2**64


@pytest.mark.parametrize("kind", GOOD)
def test_an_image_of_one_pixel(kind):
    assert isinstance(screen(good(0, kind, (1, 1)), LIMITS), Accepted)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_poison_has_its_reason(kind, seed):
    make, reason = KINDS[kind]
    found = screen(make(seed), LIMITS)
    assert isinstance(found, Refused), found
    assert found.reason is reason, found
    assert found.detail
    assert "\n" not in found.detail


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_a_bomb_is_told_by_its_header(side, no_decoder):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    image = poison.bomb_png(0) if side == 12_000 else poison.png_of(side, side)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = screen(image, ScreenConfig())
    detail = f"{side} x {side} pixels, more than data.screen.max_pixels 64,000,000"
    assert found == Refused(Reason.TOO_MANY_PIXELS, detail)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize("kind", ["bomb_gif", "scans_jpeg"])
def test_nor_is_one_of_many_frames_or_scans_decoded(kind, no_decoder):
    assert screen(KINDS[kind][0](0), LIMITS).reason is Reason.TOO_MANY_PIXELS


def test_nor_is_one_of_many_scans_that_is_not_progressive(no_decoder):
    found = screen(poison.sequential_scans_jpeg(0), LIMITS)
    assert found.reason is Reason.TOO_MANY_PIXELS
    assert "601 scans" in found.detail


def test_nor_is_one_of_more_segments_than_anybody_needs(no_decoder):
    whole = good(0, "jpeg")
    last = whole.rindex(b"\xff\xda")
    many = whole[last:-2] * 200 + b"\xff\xfe\0\2" * 20_000
    found = screen(whole[:-2] + many + whole[-2:], LIMITS)
    assert found.reason is Reason.DAMAGED
    assert "segments" in found.detail


def test_a_film_after_the_end_has_no_scans():
    image = good(0, "jpeg") + b"\xff\xda" * 10_000
    assert isinstance(screen(image, LIMITS), Accepted)


def test_of_a_tiff_no_more_is_read_than_there_is():
    import tracemalloc

    tracemalloc.start()
    found = screen(poison.tagged_tiff(0), convert("tiff"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == Refused(Reason.DAMAGED, "a TIFF whose tags are larger than the file")
    assert peak < 5e6


@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "AVIF", "BMP", "GIF"])
def test_nor_is_one_that_would_be_converted(kind, no_decoder):
    image = encode(picture(0, (100, 100)), kind)
    limits = ScreenConfig(max_pixels=9_999, convert=("webp", "tiff", "avif", "bmp", "gif"))
    assert screen(image, limits).reason is Reason.TOO_MANY_PIXELS


def test_more_than_tensorflow_decodes_is_too_much_whatever_the_limit(no_decoder):
    found = screen(poison.png_of(20_000, 20_000), ScreenConfig(max_pixels=10**9))
    assert found.reason is Reason.TOO_MANY_PIXELS
    assert "that TensorFlow decodes" in found.detail


@pytest.mark.parametrize("kind", GOOD)
def test_the_limits_are_the_last_that_is_accepted(kind):
    image = good(5, kind, (100, 90))
    exact = ScreenConfig(max_bytes=len(image), max_pixels=9_000)
    assert isinstance(screen(image, exact), Accepted)
    fewer = exact.model_copy(update={"max_bytes": len(image) - 1})
    detail = f"{len(image):,} bytes, more than data.screen.max_bytes {len(image) - 1:,}"
    assert screen(image, fewer) == Refused(Reason.TOO_MANY_BYTES, detail)
    smaller = exact.model_copy(update={"max_pixels": 8_999})
    detail = "100 x 90 pixels, more than data.screen.max_pixels 8,999"
    assert screen(image, smaller) == Refused(Reason.TOO_MANY_PIXELS, detail)


@pytest.mark.parametrize("kind", ["WEBP", "TIFF"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_converted_pixels_are_exact(kind, mode):
    source = picture(1, (61, 40)).convert(mode)
    if mode in ("RGBA", "LA"):
        source.putalpha(Image.linear_gradient("L").resize((61, 40)))
    image = encode(source, kind, **({"lossless": True} if kind == "WEBP" else {}))
    found = screen(image, convert(kind.lower()))
    assert isinstance(found, Accepted), found
    assert (found.format, found.width, found.height) == (kind.lower(), 61, 40)
    np.testing.assert_allclose(decoded(found.image).astype(int), as_seen(image), atol=1)


def test_of_an_animation_the_first_frame_is_converted():
    first, second = picture(1), picture(2)
    image = encode(first, "WEBP", save_all=True, append_images=[second], lossless=True)
    found = screen(image, convert("webp"))
    np.testing.assert_array_equal(decoded(found.image), np.asarray(first))


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg"])
def test_tiffs_of_every_compression_are_converted(compression):
    image = encode(picture(3), "TIFF", compression=compression)
    with Image.open(io.BytesIO(image)) as opened:
        expected = np.asarray(opened)
    np.testing.assert_array_equal(decoded(screen(image, convert("tiff")).image), expected)


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_a_tiff_of_measurements_is_no_picture(mode):
    grey = picture(0).convert("L")
    image = encode(grey.convert("I").convert(mode) if mode != "F" else grey.convert("F"), "TIFF")
    assert screen(image, convert("tiff")).reason is Reason.UNSUPPORTED


def test_a_tiff_in_print_colours_wants_both_options():
    image = encode(picture(4).convert("CMYK"), "TIFF")
    assert "add cmyk to data.screen.convert" in screen(image, convert("tiff")).detail
    assert screen(image, convert("tiff", "cmyk")).format == "tiff"


def test_what_grows_beyond_the_limit_by_conversion_is_refused():
    image = encode(picture(0, (200, 200)), "WEBP", quality=5)
    limits = ScreenConfig(max_bytes=len(image), convert=("webp",))
    found = screen(image, limits)
    assert found.reason is Reason.TOO_MANY_BYTES
    assert found.detail.startswith("converted from WEBP to PNG, ")


@pytest.mark.parametrize("kind", ["webp", "tiff"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.8])
def test_what_was_to_be_converted_may_be_cut_off(kind, share):
    whole = KINDS[kind][0](2)
    limits = ScreenConfig(convert=("webp", "tiff"))
    assert screen(whole[: int(len(whole) * share)], limits).reason is Reason.TRUNCATED


@pytest.mark.parametrize(
    ("image", "name"),
    [
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "AVIF"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\xff\x0a\x01\x02", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"%PDF-1.7\n", "PDF"),
        (b"P6\n2 2\n255\n" + bytes(12), "PNM"),
        (b"\0\0\1\0\1\0\x10\x10", "ICO"),
    ],
)
def test_other_formats_are_told_by_name(image, name):
    found = screen(image, LIMITS)
    assert found.reason is Reason.UNSUPPORTED
    assert name in found.detail


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"\xff\xd8", Reason.TRUNCATED),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", Reason.TRUNCATED),
        (b"\xff\xd8\xff\xd9", Reason.DAMAGED),
        (b"\xff\xd8\0\xe0\0\x10JFIF", Reason.DAMAGED),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01", Reason.TRUNCATED),
        (b"\x89PNG\n\x1a\n" + bytes(60), Reason.DAMAGED),
        (b"GIF89a\x01\0", Reason.TRUNCATED),
        (b"GIF89a\x01\0\x01\0\0\0\0;", Reason.DAMAGED),
        (b"BM" + bytes(12), Reason.TRUNCATED),
        (b"BMW builds motor cars, and this is a text", Reason.NOT_AN_IMAGE),
    ],
)
def test_a_broken_header_is_of_the_format_that_its_magic_says(image, reason):
    assert screen(image, LIMITS).reason is reason


@pytest.mark.parametrize(
    ("label", "detail"),
    [
        (None, "no label"),
        (-1, "label -1 is not a class; classes are numbered 0 to 9"),
        (10, "label 10 is not a class; classes are numbered 0 to 9"),
    ],
)
def test_a_label_that_is_no_class(label, detail):
    assert check_label(label, 10) == Refused(Reason.LABEL, detail)


@pytest.mark.parametrize("label", [0, 9])
def test_a_label_that_is_one(label):
    assert check_label(label, 10) is None


SMALL = ScreenConfig(max_pixels=1_000_000, convert=("avif", "bmp", "cmyk", "gif", "tiff", "webp"))
WHOLE = {
    **{kind: good(7, kind, (24, 20)) for kind in GOOD},
    "webp": encode(picture(7, (24, 20)), "WEBP"),
    "webp-lossless": encode(picture(7, (24, 20)), "WEBP", lossless=True),
    "tiff": encode(picture(7, (24, 20)), "TIFF"),
    "tiff-lzw": encode(picture(7, (24, 20)), "TIFF", compression="tiff_lzw"),
    "cmyk": encode(picture(7, (24, 20)).convert("CMYK"), "JPEG"),
    "avif": encode(picture(7, (24, 20)), "AVIF", speed=10),
    "bmp-palette": encode(picture(7, (24, 20)).quantize(16), "BMP"),
}
MAGIC = [b"", *{image[:20] for image in WHOLE.values()}]
many = settings(max_examples=300, suppress_health_check=list(HealthCheck))


def holds(image, limits=SMALL):
    """Accepted or refused, the same every time; and what is accepted, TensorFlow decodes."""
    found = screen(image, limits)
    assert found == screen(image, limits)
    if isinstance(found, Accepted):
        assert decoded(found.image).shape == (found.height, found.width, 3)
        assert found.width * found.height <= limits.max_pixels
        assert len(found.image) <= limits.max_bytes
    else:
        assert isinstance(found.reason, Reason)
        assert found.detail
        assert "\n" not in found.detail
    return found


@many
@given(st.sampled_from(MAGIC), st.binary(max_size=400))
@example(b"", b"\xff\xd8" + b"\xff" * 5_000)
def test_any_bytes_are_accepted_or_refused(magic, rest):
    holds(magic + rest)


@many
@given(st.sampled_from(sorted(WHOLE)), st.floats(0, 1))
def test_an_image_cut_anywhere(kind, share):
    whole = WHOLE[kind]
    found = holds(whole[: int(share * len(whole))])
    if isinstance(found, Refused) and found.reason is not Reason.TRUNCATED:
        # Before its magic number is whole; where Pillow tells no cause.
        assert len(whole) * share < 12 or kind.startswith(("tiff", "avif")), found


@many
@given(
    st.sampled_from(sorted(WHOLE)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    st.floats(0.5, 2),
)
def test_an_image_with_bytes_changed_anywhere(kind, changes, share):
    image = bytearray(WHOLE[kind])
    for where, value in changes:
        image[int(where * len(image))] = value
    holds(bytes(image[: int(share * len(image))]))


@many
@given(st.sampled_from(sorted(WHOLE)), st.integers(0, 80), st.integers(0, 255))
def test_an_image_with_a_byte_of_its_header_changed(kind, where, value):
    image = bytearray(WHOLE[kind])
    image[where] = value
    holds(bytes(image))


def test_threads_find_what_one_finds():
    images = [make(seed) for make, _ in KINDS.values() for seed in SEEDS]
    images += [good(seed, kind) for kind in GOOD for seed in SEEDS]
    alone = [screen(image, SMALL) for image in images]
    with ThreadPoolExecutor(8) as pool:
        for found in [pool.map(lambda image: screen(image, SMALL), images) for _ in range(5)]:
            assert list(found) == alone


def test_pillow_is_left_as_it_was():
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)
    for make, _ in KINDS.values():
        screen(make(0), SMALL)
    after = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)
    assert after == before


def test_a_header_is_read_without_a_framework():
    code = (
        "import sys; from components.example_gen.config import ScreenConfig;"
        "from components.example_gen.screen.acceptance import screen;"
        "assert screen(b'junk', ScreenConfig()).reason.value == 'not_an_image';"
        "assert not {'tensorflow', 'tfx', 'apache_beam'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_memory_does_not_grow():
    """Of accepted images nor of damaged ones, at which TensorFlow's eager ops leak."""
    images = [good(0, kind) for kind in GOOD] + [make(1) for make, _ in KINDS.values()][1:]
    for image in images * 20:
        screen(image, SMALL)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for image in images * 100:
        screen(image, SMALL)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2_000
