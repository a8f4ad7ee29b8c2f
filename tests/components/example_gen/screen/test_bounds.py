"""Images whose headers promise little and whose decoding would cost much: the work is bounded."""

import io
import resource
import struct
import time
import zlib

import pytest
from PIL import Image

from components.example_gen.config import ScreenConfig
from components.example_gen.screen.acceptance import Accepted, Reason, screen
from tests.poison import encode, picture, png_chunk, png_of

LIMITS = ScreenConfig()
CONVERT = ScreenConfig(convert=("avif", "bmp", "cmyk", "gif", "tiff", "webp"))
PIXELS = png_chunk(b"IDAT", zlib.compress(bytes(200)))
SECONDS, MEGABYTES = 2, 300
"""Of the processor, on a busy machine; a second is what is promised."""


def packed(num_bytes):
    return zlib.compress(bytes(num_bytes), 9)


def zeros(megabytes):
    """Zeros, packed."""
    packer, piece = zlib.compressobj(9), bytes(1_000_000)
    return b"".join(packer.compress(piece) for _ in range(megabytes)) + packer.flush()


def png(*chunks, after=()):
    return png_of(8, 8, *chunks, PIXELS, *after)


def gif(side=8):
    """What comes before the first frame of a GIF, and the frame."""
    whole = encode(Image.new("P", (side, side), 1), "GIF")
    start = 13 + 3 * 2 ** (whole[10] % 8 + 1)
    return whole[:start], whole[start:-1]


def gif_of(*parts):
    return b"".join((gif()[0], *parts, b";"))


def blocks(count):
    return b"\x21\xfe" + b"\x01a" * count + b"\0"


def progressive(side, scans):
    """A progressive JPEG whose last scan comes again and again."""
    whole = encode(Image.new("L", (side, side)), "JPEG", progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + last * (scans - whole.count(b"\xff\xda")) + whole[-2:]


def jpeg():
    return encode(picture(0, (16, 16)), "JPEG")


def riff(*chunks):
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_of(frames):
    frame = encode(Image.new("RGB", (1, 1)), "WEBP", lossless=True)[12:]
    screen_chunk = b"VP8X" + struct.pack("<I", 10) + b"\x02" + bytes(9)
    animation = b"ANIM" + struct.pack("<IIH", 6, 0, 0)
    each = b"ANMF" + struct.pack("<I", 16 + len(frame)) + bytes(12) + b"\x0a\0\0\0" + frame
    return riff(screen_chunk, animation, each * frames)


def run_length_bmp(side):
    """Every row ends at once, and is filled up by Pillow pixel by pixel."""
    data = b"\0\0" * side + b"\0\1"
    palette = bytes(1024)
    head = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(data), 0, 0, 256, 0)
    start = 14 + len(head) + len(palette)
    return struct.pack("<2sIII", b"BM", start + len(data), 0, start) + head + palette + data


def striped_tiff(strips):
    """A TIFF that says of ever so many strips where they are."""
    at = 8 + 2 + 8 * 12 + 4
    entries = [
        (256, 4, 1, 1), (257, 4, 1, strips), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
        (273, 4, strips, at), (278, 4, 1, 1), (279, 4, strips, at + 4 * strips),
    ]  # fmt: skip
    directory = struct.pack("<H", 8) + b"".join(struct.pack("<HHII", *each) for each in entries)
    numbers = struct.pack("<I", 8) * strips + struct.pack("<I", 1) * strips
    return b"II*\0" + struct.pack("<I", 8) + directory + bytes(4) + numbers


def tiled_tiff(side):
    """A TIFF of one pixel in a tile of ever so many."""
    entries = [
        (256, 4, 1, 1), (257, 4, 1, 1), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
        (322, 4, 1, side), (323, 4, 1, side), (324, 4, 1, 8), (325, 4, 1, 1),
    ]  # fmt: skip
    directory = b"".join(struct.pack("<HHII", *each) for each in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4)


def exif_bomb(inner=b""):
    """Exif data of which 1,000 tags name the same 100 kB."""
    size = 100_000
    entries = b"".join(struct.pack("<HHII", 40_000 + tag, 7, size, 8) for tag in range(1_000))
    start = 8 + size
    return b"II*\0" + struct.pack("<I", start) + bytes(size) + struct.pack("<H", 1_000) + entries


def tiff_with_inner_bomb():
    """A TIFF of which a directory of Exif data is one."""
    whole = bytearray(encode(Image.new("L", (8, 8)), "TIFF", tiffinfo={40_000: 5}))
    (at,) = struct.unpack_from("<I", whole, 4)
    (entries,) = struct.unpack_from("<H", whole, at)
    inner = len(whole) + len(whole) % 2
    # The last entry has the largest tag.
    struct.pack_into("<HHII", whole, at + 2 + 12 * (entries - 1), 34665, 4, 1, inner)
    tags = b"".join(struct.pack("<HHII", 40_000 + tag, 7, 500_000, 8) for tag in range(1_000))
    return bytes(whole.ljust(inner, b"\0")) + struct.pack("<H", 1_000) + tags + bytes(600_000)


text = packed(7_900_000)
BOMBS = {
    "zTXt": lambda: png(*[png_chunk(b"zTXt", b"k%d\0\0" % each + text) for each in range(100)]),
    "zTXt after the pixels": lambda: png(
        after=[png_chunk(b"zTXt", b"k%d\0\0" % each + text) for each in range(100)]
    ),
    "iTXt": lambda: png(
        *[png_chunk(b"iTXt", b"k%d\0\1\0en\0k\0" % each + text) for each in range(100)]
    ),
    "iCCP": lambda: png(*[png_chunk(b"iCCP", b"k\0\0" + text)] * 100),
    "one text of 1 GB": lambda: png(png_chunk(b"zTXt", b"k\0\0" + packed(1_000_000_000))),
    "pixel data of 2 GB": lambda: png_of(8, 8, png_chunk(b"IDAT", zeros(2_000))),
    "2.6 million empty chunks": lambda: png(png_chunk(b"abCd", b"") * 2_600_000),
    "1,001 texts": lambda: png(png_chunk(b"tEXt", b"k\0v") * 1_001),
    "2.4 million chunks of pixels": lambda: png(after=[png_chunk(b"IDAT", b"\0") * 2_400_000]),
    "9,000 chunks and Exif": lambda: png(png_chunk(b"IDAT", b"") * 9_000 + png_chunk(b"eXIf", b"")),
    "scans of 16 million pixels": lambda: progressive(4000, 499),
    "scans of 1 pixel": lambda: progressive(1, 501),
    "segments": lambda: jpeg()[:2] + b"\xff\xe5\0\2" * 5_000_000 + jpeg()[2:],
    "segments between scans": lambda: jpeg()[:-2] + b"\xff\xfe\0\2" * 5_000_000 + jpeg()[-2:],
    "comment of a GIF": lambda: gif_of(blocks(15_000_000), gif()[1]),
    "comment after the frame": lambda: gif_of(gif()[1], blocks(15_000_000)),
    "pixels in blocks of one byte": lambda: gif_of(gif()[1][:-1] + b"\1a" * 15_000_000 + b"\0"),
    "a million frames": lambda: gif(1)[0] + gif(1)[1] * 1_000_000 + b";",
    "frames of 16 million pixels": lambda: gif(4_000)[0] + gif(4_000)[1] * 3 + b";",
    "webp frames": lambda: webp_of(500_000),
    "run lengths": lambda: run_length_bmp(8_000),
    "strips": lambda: striped_tiff(3_500_000),
    "a tile": lambda: tiled_tiff(16_000),
    "directory in a TIFF": tiff_with_inner_bomb,
    "Exif of a WebP": lambda: encode(picture(0), "WEBP", exif=exif_bomb()),
}
"""Each took seconds or hundreds of MB, or is a near relation of one that did."""


@pytest.fixture
def nothing_decoded(monkeypatch):
    def fail(*_, **__):
        pytest.fail("an image was decoded")

    monkeypatch.setattr("components.example_gen.screen.acceptance.decode", fail)
    monkeypatch.setattr("components.example_gen.screen.acceptance.to_png", fail)


@pytest.mark.parametrize("name", [name for name in BOMBS if name != "Exif of a WebP"])
def test_a_bomb_is_refused_by_its_header(name, nothing_decoded):
    image = BOMBS[name]()
    assert len(image) <= LIMITS.max_bytes
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    # Frames that are not read are no obstacle to Pillow, which takes the first.
    limits = LIMITS if "frames of" in name else CONVERT
    found = screen(image, limits)
    seconds = time.process_time() - start
    assert not isinstance(found, Accepted)
    assert found.reason in (Reason.TOO_COSTLY, Reason.TOO_MANY_PIXELS, Reason.DAMAGED), found
    assert found.sentence != found.detail or "data.screen" in found.sentence
    assert seconds < SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES * 1024


def test_exif_data_that_name_more_than_they_have_are_not_read(nothing_loaded):
    found = screen(BOMBS["Exif of a WebP"](), CONVERT)
    assert found.reason is Reason.DAMAGED
    assert "Exif" in found.detail


@pytest.fixture
def nothing_loaded(monkeypatch):
    monkeypatch.setattr(
        "components.example_gen.screen.convert.open_image",
        lambda *_: pytest.fail("an image was opened"),
    )


def with_thumbnail():
    exif = Image.Exif()
    exif[0x0112] = 1
    thumbnail = io.BytesIO()
    picture(1, (160, 120)).save(thumbnail, "JPEG")
    return encode(picture(0), "JPEG", exif=exif.tobytes() + thumbnail.getvalue())


RICH = {
    "PNG with a profile, XMP and 900 texts": lambda: png(
        png_chunk(b"iCCP", b"profile\0\0" + zlib.compress(b"profile" * 300_000)),
        png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"<x/>" * 100_000)),
        *[png_chunk(b"tEXt", b"k%d\0v" % each) for each in range(900)],
    ),
    "PNG with 2,000 chunks of pixels": lambda: png(after=[png_chunk(b"IDAT", b"") * 2_000]),
    "JPEG with a profile of 4 MB, XMP and Photoshop's segments": lambda: b"".join(
        (
            jpeg()[:2],
            (b"\xff\xe2\xff\xff" + bytes(65_533)) * 64,
            b"\xff\xe1\xff\xff" + b"http://ns.adobe.com/xap/1.0/\0".ljust(65_533),
            (b"\xff\xed\xff\xff" + b"Photoshop 3.0\0".ljust(65_533)) * 20,
            jpeg()[2:],
        )
    ),
    "JPEG with Exif and a thumbnail": with_thumbnail,
    "JPEG of 10 scans more than usual": lambda: progressive(1_000, 16),
    "GIF of 300 frames": lambda: gif(64)[0] + gif(64)[1] * 300 + b";",
}


@pytest.mark.parametrize("name", RICH)
def test_what_tools_and_cameras_write_passes(name):
    found = screen(RICH[name](), LIMITS)
    assert isinstance(found, Accepted), found


def test_a_gif_with_xmp_is_converted():
    xmp = b"\x21\xff\x0bXMP DataXMP" + (b"\xff" + bytes(255)) * 400 + b"\0"
    image = gif_of(xmp, gif()[1])
    refused = screen(image, LIMITS)
    assert refused.reason is Reason.UNSUPPORTED
    assert refused.sentence.endswith("to convert such images add gif to data.screen.convert")
    found = screen(image, ScreenConfig(convert=("gif",)))
    assert isinstance(found, Accepted), found


def test_of_a_gif_of_many_frames_the_first_is_converted():
    before, frame = gif(4_000)
    found = screen(before + frame * 3 + b";", ScreenConfig(convert=("gif",)))
    assert isinstance(found, Accepted), found
    assert (found.format, found.width, found.height) == ("gif", 4_000, 4_000)
