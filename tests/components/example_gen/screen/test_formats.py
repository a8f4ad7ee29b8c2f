"""What is accepted, converted or refused by format: the pixels are right, or the cure is named."""

import re
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.example_gen.config import ScreenConfig
from components.example_gen.screen.acceptance import Accepted, Reason, screen
from components.transform.pixels import decoder
from tests.corpus import as_seen
from tests.poison import encode, good, picture

LIMITS = ScreenConfig()
END = b"\xff\xd9"


def convert(*kinds):
    return ScreenConfig(convert=kinds)


def shows(found, image, levels=2):
    """Accepted, and what training decodes is what Pillow shows."""
    assert isinstance(found, Accepted), found
    pixels = decoder((255, 255, 255))(found.image)
    assert pixels.shape[:2] == (found.height, found.width)
    np.testing.assert_allclose(pixels.astype(int), as_seen(image), atol=levels)


# JPEG -------------------------------------------------------------------------------------------

JPEGS = {
    "plain": {},
    "grey": {"mode": "L"},
    "cmyk": {"mode": "CMYK"},
    "progressive": {"progressive": True},
    "progressive grey": {"mode": "L", "progressive": True},
    "4:4:4": {"subsampling": 0},
    "best": {"quality": 100},
    "restarts": {"restart_marker_blocks": 3},
    "rows of restarts": {"restart_marker_rows": 1},
}


def jpeg(name, source=None):
    options = dict(JPEGS[name])
    source = source or picture(3, (200, 150))
    return encode(source.convert(options.pop("mode", "RGB")), "JPEG", **options)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_that_was_cut_off_and_ended_is_refused(name, share):
    whole = jpeg(name)
    first = whole.index(b"\xff\xda") + 20
    cut = whole[: first + int(share * (len(whole) - first))]
    found = screen(cut.rstrip(b"\xff") + END, LIMITS)
    assert not isinstance(found, Accepted)
    assert found.reason is Reason.TRUNCATED
    assert found.sentence.endswith("copy the file again")


@pytest.mark.parametrize("name", ["restarts", "rows of restarts", "restarts progressive"])
def test_so_is_one_that_was_cut_off_at_a_restart_marker(name):
    options = {**JPEGS[name.removesuffix(" progressive")], "progressive": "progressive" in name}
    for mode, subsampling in (("L", 0), ("RGB", 0), ("RGB", 1), ("RGB", 2)):
        source = picture(3, (43, 35)).convert(mode)
        whole = encode(source, "JPEG", subsampling=subsampling, **options)
        shows(screen(whole, LIMITS), whole)
        restarts = [found.start() for found in re.finditer(rb"\xff[\xd0-\xd7]", whole)]
        assert restarts
        for place in (each + more for each in restarts for more in (0, 2)):
            found = screen(whole[:place] + END, LIMITS)
            assert not isinstance(found, Accepted), (mode, subsampling, place, len(whole))
            assert found.reason is Reason.TRUNCATED


@pytest.mark.parametrize("options", [{}, {"quality": 95}, {"optimize": True}, {"quality": 30}])
@pytest.mark.parametrize(("mode", "subsampling"), [("L", 0), ("RGB", 0), ("RGB", 2), ("CMYK", 0)])
def test_so_is_a_small_one_that_lacks_its_last_block(mode, subsampling, options):
    whole = encode(picture(3, (40, 32)).convert(mode), "JPEG", subsampling=subsampling, **options)
    right = decoder((255, 255, 255))(whole).astype(int)
    # What lacks three bytes may pass with its last block wrong.
    for missing in range(4, 30):
        cut = whole[: -2 - missing].rstrip(b"\xff") + END
        if isinstance(screen(cut, LIMITS), Accepted):
            pixels = decoder((255, 255, 255))(cut)
            np.testing.assert_allclose(pixels.astype(int), right, atol=2, err_msg=str(missing))


@pytest.mark.parametrize("said", range(1, 9))
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("size", [(401, 305), (400, 304), (415, 319)])
def test_so_is_a_large_one_however_it_is_turned(size, subsampling, said):
    exif = Image.Exif()
    exif[0x0112] = said
    options = {"subsampling": subsampling, "quality": 92, "exif": exif}
    whole = encode(picture(9, size), "JPEG", **options)
    shows(screen(whole, LIMITS), whole)
    # Some blocks of a thousand.
    cut = whole[: len(whole) * 995 // 1000].rstrip(b"\xff") + END
    assert screen(cut, LIMITS).reason is Reason.TRUNCATED


@pytest.mark.parametrize("between", [b"\xff\xfe\0\5abc", b"", b"\xff\xff\xff"])
def test_so_is_one_with_something_before_the_end(between):
    whole = jpeg("plain")
    found = screen(whole[: len(whole) // 2] + between + END + b"a film", LIMITS)
    assert found.reason is Reason.TRUNCATED
    shows(screen(whole[:-2] + between + END + b"a film", LIMITS), whole)


@pytest.mark.parametrize("scans", range(1, 10))
def test_a_progressive_jpeg_without_its_last_scans_is_refused(scans):
    whole = jpeg("progressive")
    starts = [at for at in range(len(whole)) if whole.startswith(b"\xff\xda", at)]
    assert len(starts) == 10
    # The tables before a scan are of it.
    cut = whole[: starts[scans]]
    found = screen(cut + END, LIMITS)
    assert found.reason is Reason.TRUNCATED


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (17, 33), (200, 150)])
def test_a_whole_jpeg_is_accepted_though_it_is_grey_below(name, size):
    """One grey is what libjpeg fills up with."""
    source = picture(5, size)
    source.paste((128, 128, 128), (0, size[1] // 2, *size))
    shows(screen(jpeg(name, source), LIMITS), jpeg(name, source))


@pytest.mark.parametrize("level", [0, 127, 128, 129, 255])
@pytest.mark.parametrize("name", JPEGS)
def test_so_is_one_of_one_colour(name, level):
    image = jpeg(name, Image.new("RGB", (100, 70), (level,) * 3))
    assert isinstance(screen(image, LIMITS), Accepted)


@pytest.mark.parametrize("length", [0, 1])
@pytest.mark.parametrize("marker", [0xE1, 0xE5, 0xEE, 0xFE])
def test_a_segment_of_no_length_is_passed_over_as_in_libjpeg(marker, length):
    whole = good(0, "jpeg")
    image = whole[:2] + bytes((0xFF, marker, 0, length)) + whole[2:]
    shows(screen(image, LIMITS), whole)


@pytest.mark.parametrize("transform", [0, 2])
def test_print_colours_with_adobes_marker_are_accepted(transform):
    image = bytearray(encode(picture(4).convert("CMYK"), "JPEG", quality=95))
    image[image.index(b"Adobe") + 11] = transform
    # Pillow rounds when it makes RGB of CMYK, TensorFlow cuts off; their transforms differ too.
    shows(screen(bytes(image), LIMITS), bytes(image), levels=20)


def test_print_colours_without_the_marker_are_no_negative():
    image = encode(picture(4).convert("CMYK"), "JPEG", quality=95)
    at = image.index(b"\xff\xee")
    bare = image[:at] + image[at + 16 :]
    shows(screen(bare, LIMITS), bare, levels=20)


# GIF --------------------------------------------------------------------------------------------


def gif(screen_size, *frames, palette=bytes(range(192))):
    """A GIF by hand: frames of (left, top, width, height, control, interlaced)."""
    parts = [b"GIF89a", struct.pack("<HHBBB", *screen_size, 0x85, 0, 0), palette]
    for number, (left, top, width, height, control, interlaced) in enumerate(frames):
        indices = np.random.default_rng(number).integers(0, 64, (height, width), np.uint8)
        body = encode(Image.fromarray(indices, "P"), "GIF", optimize=False, interlace=interlaced)
        frame = bytearray(body[body.index(b"\x2c", 13 + 3 * 2 ** (body[10] % 8 + 1)) : -1])
        frame[1:5] = struct.pack("<HH", left, top)
        parts += [control, bytes(frame)]
    return b"".join((*parts, b";"))


def control(disposal=0, transparent=None):
    flags = disposal << 2 | (transparent is not None)
    return b"\x21\xf9\4" + bytes((flags, 0, 0, transparent or 0, 0))


WHOLE = (0, 0, 40, 30, b"", 0)
GIFS = {
    "plain": gif((40, 30), WHOLE),
    "interlaced": gif((40, 30), (0, 0, 40, 30, b"", 1)),
    "first frame not at (0, 0)": gif((40, 30), (5, 3, 20, 10, b"", 0)),
    "to the edge": gif((40, 30), (20, 20, 20, 10, b"", 0)),
    "smaller than its screen": gif((40, 30), (0, 0, 20, 10, b"", 0)),
    "larger than its screen": gif((20, 10), WHOLE),
    "beyond its screen": gif((40, 30), (30, 20, 40, 30, b"", 0)),
    "no screen": gif((0, 0), WHOLE),
    "a large screen": gif((500, 500), WHOLE),
    "second frame larger": gif((40, 30), WHOLE, (0, 0, 50, 50, b"", 0)),
    "small first frame": gif((40, 30), (5, 5, 20, 10, b"", 0), WHOLE),
    "transparent": gif((40, 30), (0, 0, 40, 30, control(0, 5), 0)),
    "transparent at a place": gif((40, 30), (5, 5, 20, 10, control(0, 5), 0)),
    "transparent colour that is not used": gif((40, 30), (0, 0, 40, 30, control(0, 63), 0)),
    **{
        f"disposal {each}": gif(
            (40, 30), (0, 0, 40, 30, control(each), 0), (5, 5, 9, 9, control(each, 3), 0)
        )
        for each in range(4)
    },
}


DECODED = {"plain", "interlaced", "second frame larger", *(f"disposal {each}" for each in range(4))}
"""Rightly by TensorFlow."""


@pytest.mark.parametrize("name", GIFS)
def test_the_first_frame_of_a_gif_is_on_its_screen_or_the_gif_is_refused(name):
    image = GIFS[name]
    shows(screen(image, convert("gif")), image, levels=0)
    found = screen(image, LIMITS)
    if name in DECODED:
        shows(found, image, levels=0)
    else:
        refused_for_conversion(image, found, "gif")


def refused_for_conversion(image, found, kind):
    """With the key to add; and so does a served model, which has no screen."""
    assert found.reason is Reason.UNSUPPORTED
    assert found.sentence.endswith(f"to convert such images add {kind} to data.screen.convert")
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"send it as a PNG|size should match"):
        decoder((255, 255, 255))(image)


@pytest.mark.parametrize("cut", [1, 40, 300])
def test_a_later_frame_may_be_damaged(cut):
    image = good(2, "gif-animated")
    one = good(2, "gif")
    assert len(image) > len(one) + 400
    shows(screen(image[:-cut], LIMITS), one)


def test_a_gif_whose_codes_are_broken_is_refused():
    for seed in range(10):
        broken = bytearray(good(seed, "gif"))
        middle = len(broken) // 2
        broken[middle : middle + 40] = b"\xff" * 40
        assert screen(bytes(broken), LIMITS).reason in (Reason.DAMAGED, Reason.TRUNCATED)
        assert screen(bytes(broken), convert("gif")).reason in (Reason.DAMAGED, Reason.TRUNCATED)


# BMP --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_grey_or_rgb_bmp_is_accepted(mode):
    image = encode(picture(0).convert(mode), "BMP")
    shows(screen(image, LIMITS), image, levels=0)


@pytest.mark.parametrize("mode", ["1", "P"])
def test_a_bmp_of_other_colours_is_converted(mode):
    image = encode(picture(0).convert(mode), "BMP")
    refused_for_conversion(image, screen(image, LIMITS), "bmp")
    shows(screen(image, convert("bmp")), image, levels=0)


def bmp(bits, data, compression=0, header=40, masks=b"", surplus=b"", size=(8, 4)):
    width, height = size
    if header == 12:
        head = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        head = struct.pack(
            "<IiiHHIIiiII", header, width, height, 1, bits, compression, 0, 0, 0, 0, 0
        )
        head = head.ljust(header, b"\0") if header > 40 else head
    start = 14 + len(head) + len(masks)
    whole = head + masks + data + surplus
    return struct.pack("<2sIII", b"BM", 14 + len(whole), 0, start) + whole


random = np.random.default_rng(8)
BMPS = {
    "16 bits": bmp(16, random.bytes(64)),
    "16 bits, masks": bmp(16, random.bytes(64), 3, masks=struct.pack("<3I", 0xF800, 0x7E0, 0x1F)),
    "32 bits, masks": bmp(
        32, random.bytes(128), 3, masks=struct.pack("<3I", 0xFF000000, 0xFF0000, 0xFF00)
    ),
    "bytes after its pixels": bmp(24, random.bytes(96), surplus=b"\0\0"),
    "OS/2, 24 bits": bmp(24, random.bytes(96), header=12),
}


@pytest.mark.parametrize("name", BMPS)
def test_so_are_others(name):
    refused_for_conversion(BMPS[name], screen(BMPS[name], LIMITS), "bmp")
    shows(screen(BMPS[name], convert("bmp")), BMPS[name])


RUNS = b"".join(b"\x08" + bytes((each, 0, 0)) for each in (1, 9, 200, 77)) + b"\0\1"


def large_bmp(bits, side):
    return bmp(bits, bytes((side * bits + 31) // 32 * 4 * side), size=(side, side))


@pytest.mark.parametrize(
    "image",
    [
        bmp(8, RUNS, 1, masks=random.bytes(1024)),
        bmp(1, bytes(400 * 3200), masks=b"\0\0\0\0\xff\xff\xff\0", size=(3200, 3200)),
        large_bmp(16, 1500),
    ],
)
def test_so_are_run_lengths_and_large_ones(image):
    refused_for_conversion(image, screen(image, LIMITS), "bmp")
    found = screen(image, convert("bmp"))
    assert found.format == "bmp"
    shows(found, image, levels=0)


# Orientation, pages and newer formats ------------------------------------------------------------


@pytest.mark.parametrize("said", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_the_orientation_is_followed_once(kind, said):
    exif = Image.Exif()
    exif[0x0112] = said
    options = {"lossless": True} if kind == "WEBP" else {}
    image = encode(picture(6, (48, 32)), kind, exif=exif, **options)
    found = screen(image, convert("webp", "tiff", "avif"))
    assert (found.width, found.height) == ((48, 32) if said < 5 else (32, 48))
    shows(found, image)
    assert said == 1 or kind in ("JPEG", "PNG") or b"eXIf" not in found.image


def tiff(*pages):
    """A TIFF of pages of (image, tags by number)."""
    out = [encode(image, "TIFF", tiffinfo=tags) for image, tags in pages]
    whole = bytearray(out[0])
    for each in out[1:]:
        _append(whole, each)
    return bytes(whole)


def _append(whole, page):
    """Another TIFF as the next page, its offsets moved."""
    whole += bytes(len(whole) % 2)
    shift = len(whole)
    at = struct.unpack_from("<I", page, 4)[0]
    page = bytearray(page)
    (entries,) = struct.unpack_from("<H", page, at)
    for entry in range(at + 2, at + 2 + 12 * entries, 12):
        tag, kind, count = struct.unpack_from("<HHI", page, entry)
        size = {3: 2, 4: 4, 5: 8}.get(kind, 1) * count
        if size > 4 or tag == 273:
            (value,) = struct.unpack_from("<I", page, entry + 8)
            struct.pack_into("<I", page, entry + 8, value + shift)
    last = struct.unpack_from("<I", whole, 4)[0]
    while following := struct.unpack_from("<I", whole, _end(whole, last))[0]:
        last = following
    struct.pack_into("<I", whole, _end(whole, last), at + shift)
    whole += page


def _end(whole, at):
    return at + 2 + 12 * struct.unpack_from("<H", whole, at)[0]


SMALL, LARGE = picture(1, (12, 8)), picture(2, (60, 40))


@pytest.mark.parametrize("tags", [{254: 1}, {255: 2}, {254: 5}])
def test_a_tiffs_thumbnail_is_passed_over(tags):
    found = screen(tiff((SMALL, tags), (SMALL, {254: 1}), (LARGE, {})), convert("tiff"))
    shows(found, encode(LARGE, "TIFF"), levels=0)


@pytest.mark.parametrize("tags", [{}, {254: 0}, {254: 2}, {255: 1}, {255: 3}])
def test_the_first_page_is_taken_where_it_is_none(tags):
    found = screen(tiff((LARGE, tags), (SMALL, {})), convert("tiff"))
    shows(found, encode(LARGE, "TIFF"), levels=0)


def test_a_tiff_of_thumbnails_alone_is_refused():
    found = screen(tiff((SMALL, {254: 1})), convert("tiff"))
    assert found.reason is Reason.UNSUPPORTED
    assert "thumbnail" in found.detail


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_avif_is_converted(mode):
    source = picture(1, (61, 40)).convert(mode)
    if mode == "RGBA":
        source.putalpha(Image.linear_gradient("L").resize((61, 40)))
    image = encode(source, "AVIF", speed=10)
    assert screen(image, LIMITS).detail.endswith("add avif to data.screen.convert")
    shows(screen(image, convert("avif")), image)
    renamed = image[:8] + b"mif1" + image[12:]
    shows(screen(renamed, convert("avif")), image)


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500)


def test_heic_names_its_plug_in_or_a_command(monkeypatch):
    assert "add heic to data.screen.convert" in screen(HEIC, LIMITS).sentence
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    found = screen(HEIC, convert("heic"))
    assert found.reason is Reason.UNSUPPORTED
    assert "uv pip install pillow-heif" in found.sentence
    assert "heif-convert IN.heic OUT.png" in found.sentence


def test_heic_is_converted_where_its_plug_in_is():
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    image = encode(picture(1, (64, 40)), "HEIF", quality=90)
    shows(screen(image, convert("heic")), image)
    assert screen(image[: len(image) // 2], convert("heic")).reason in (
        Reason.DAMAGED,
        Reason.TRUNCATED,
    )


@pytest.mark.parametrize(
    ("image", "cure"),
    [
        (b"", "copy the file again"),
        (b"a text", "remove it from the data"),
        (b"8BPS" + bytes(90), "magick IN OUT.png"),
        (good(0, "jpeg")[:900], "copy the file again"),
        (b"\x89PNG\n\x1a\n" + bytes(60), "save it as PNG"),
    ],
)
def test_every_refusal_names_a_cure(image, cure):
    assert cure in screen(image, LIMITS).sentence
