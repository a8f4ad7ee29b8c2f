"""Images that must be set aside, one maker a kind, and images of every kind that must not."""

import functools
import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from components.example_gen.config import ScreenConfig
from components.example_gen.screen.acceptance import Reason

LIMITS = ScreenConfig(max_bytes=1_000_000)
"""`too_many_bytes` is larger, every other kind smaller."""


def picture(seed: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """An RGB image of soft shapes with some noise, as (width, height) in pixels."""
    random = np.random.default_rng(seed)
    width, height = size
    few = random.integers(0, 256, (5, 7, 3)).astype(np.uint8)
    soft = np.asarray(Image.fromarray(few).resize(size, Image.Resampling.BICUBIC))
    noise = random.integers(-8, 9, (height, width, 3))
    return Image.fromarray(np.clip(soft + noise, 0, 255).astype(np.uint8))


def encode(image: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _grey16(image: Image.Image) -> Image.Image:
    grey = np.asarray(image.convert("L")).astype(np.uint16) * 257
    return Image.frombytes("I;16", image.size, grey.tobytes())


GOOD: dict[str, Callable[[Image.Image], bytes]] = {
    "jpeg": lambda image: encode(image, "JPEG", quality=90),
    "jpeg-grey": lambda image: encode(image.convert("L"), "JPEG"),
    "jpeg-progressive": lambda image: encode(image, "JPEG", progressive=True),
    "jpeg-mpo": lambda image: encode(
        image, "MPO", save_all=True, append_images=[image.resize((48, 32))]
    ),
    "png": lambda image: encode(image, "PNG"),
    "png-grey": lambda image: encode(image.convert("L"), "PNG"),
    "png-1bit": lambda image: encode(image.convert("1"), "PNG"),
    "png-palette": lambda image: encode(image.quantize(64), "PNG"),
    "png-rgba": lambda image: encode(image.convert("RGBA").rotate(9), "PNG"),
    "png-16bit": lambda image: encode(_grey16(image), "PNG"),
    "gif": lambda image: encode(image, "GIF"),
    "gif-animated": lambda image: encode(
        image, "GIF", save_all=True, append_images=[image.rotate(20), image.rotate(40)]
    ),
    "bmp": lambda image: encode(image, "BMP"),
    "bmp-32bit": lambda image: encode(image.convert("RGBA"), "BMP"),
}
"""Of every kind that is accepted; the format is what comes before the dash."""


def good(seed: int, kind: str, size: tuple[int, int] = (96, 64)) -> bytes:
    """An image that must be accepted: `kind` of GOOD, (width, height) in pixels."""
    return GOOD[kind](picture(seed, size))


def zero_byte(seed: int) -> bytes:
    return b""


def truncated_jpeg(seed: int) -> bytes:
    whole = good(seed, "jpeg")
    return whole[: len(whole) * (40 + seed % 50) // 100]


def truncated_png(seed: int) -> bytes:
    whole = good(seed, "png")
    return whole[: len(whole) * (10 + seed % 80) // 100]


def truncated_gif(seed: int) -> bytes:
    whole = good(seed, "gif")
    return whole[: len(whole) - 100 - seed % 1000]


def truncated_bmp(seed: int) -> bytes:
    return good(seed, "bmp")[: -1 - seed % 1000]


def junk(seed: int) -> bytes:
    """No format begins with its first byte."""
    return b"\x05" + np.random.default_rng(seed).bytes(2_000)


def html(seed: int) -> bytes:
    """What a server sends in place of a picture."""
    return (
        "<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head>"
        f"<body>roses/{seed}.jpg</body></html>\n"
    ).encode()


def webp(seed: int) -> bytes:
    return encode(picture(seed), "WEBP", lossless=seed % 2 == 0)


def tiff(seed: int) -> bytes:
    return encode(picture(seed), "TIFF", compression=["raw", "tiff_lzw"][seed % 2])


def avif(seed: int) -> bytes:
    return encode(picture(seed), "AVIF", speed=10)


def ended_jpeg(seed: int) -> bytes:
    """One that was cut off, with an end behind the cut: libjpeg fills it up with grey and warns."""
    return truncated_jpeg(seed) + b"\xff\xd9"


def ended_progressive_jpeg(seed: int) -> bytes:
    whole = good(seed, "jpeg-progressive")
    return whole[: len(whole) * (20 + seed % 70) // 100] + b"\xff\xd9"


def broken_gif(seed: int) -> bytes:
    """One whose pixels are overwritten by codes that are still to come."""
    whole = bytearray(good(seed, "gif"))
    whole[len(whole) // 2 : len(whole) // 2 + 40] = b"\xff" * 40
    return bytes(whole)


def heic(seed: int) -> bytes:
    """As far as a HEIC's first box."""
    box = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    return box + np.random.default_rng(seed).bytes(500)


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG of 8-bit RGB by its header and any chunks."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + png_chunk(b"IEND", b"")


_BOMB_SIDE = 12_000


@functools.cache
def _zeros(num_bytes: int, pieces: int) -> bytes:
    """A zlib stream of zeros, one piece of which is compressed."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = compressor.compress(bytes(num_bytes // pieces)) + compressor.flush(zlib.Z_FULL_FLUSH)
    checksum = num_bytes % 65521 << 16 | 1
    return b"\x78\xda" + piece * pieces + b"\x03\0" + struct.pack(">I", checksum)


def bomb_png(seed: int) -> bytes:
    """Valid, 420 kB, and 432 MB when it is decoded."""
    pixels = _zeros((1 + 3 * _BOMB_SIDE) * _BOMB_SIDE, 120)
    comment = png_chunk(b"tEXt", b"Comment\0%d" % seed)
    return png_of(_BOMB_SIDE, _BOMB_SIDE, comment, png_chunk(b"IDAT", pixels))


@functools.cache
def _gif_frame(side: int) -> tuple[bytes, bytes]:
    """What comes before the frame of a one-coloured GIF, and the frame."""
    whole = encode(Image.new("P", (side, side), 1), "GIF")
    start = 13 + 3 * 2 ** (whole[10] % 8 + 1)
    return whole[:start], whole[start:-1]


def bomb_gif(seed: int) -> bytes:
    """Of an allowed size, but for its first frame all are decoded: 320 million pixels."""
    before, frame = _gif_frame(4_000)
    return before + frame * (20 + seed % 5) + b";"


def scans_jpeg(seed: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    return _with_scans(good(seed, "jpeg-progressive"))


def sequential_scans_jpeg(seed: int) -> bytes:
    """The same of a JPEG that is not progressive, of which libjpeg reads as many."""
    return _with_scans(good(seed, "jpeg", (16, 16)))


def _with_scans(whole: bytes) -> bytes:
    last = whole.rindex(b"\xff\xda")
    return whole[:-2] + whole[last:-2] * 600 + whole[-2:]


def tagged_tiff(seed: int) -> bytes:
    """1 MB, of which 500 tags name the same half: 250 MB where each is read."""
    tags, half = 500, 500_000
    entries = [(256, 4, 1, 8), (257, 4, 1, 8)]
    entries += [(32_768 + seed + tag, 7, half, 8) for tag in range(tags)]
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    directory = struct.pack("<H", len(entries)) + packed + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + half) + bytes(half) + directory + bytes(half)


def texts_png(seed: int) -> bytes:
    """1 MB, of which 100 compressed texts become 790 MB."""
    text = zlib.compress(bytes(7_900_000), 9)
    texts = [png_chunk(b"zTXt", b"k%d\0\0" % (seed + each) + text) for each in range(100)]
    return png_of(8, 8, *texts, png_chunk(b"IDAT", zlib.compress(bytes(200))))


def blocks_gif(seed: int) -> bytes:
    """A comment in blocks of one byte, each of which is allocated."""
    whole = good(seed, "gif", (16, 16))
    start = 13 + 3 * 2 ** (whole[10] % 8 + 1)
    return whole[:start] + b"\x21\xfe" + b"\x01a" * 400_000 + b"\0" + whole[start:]


def too_many_bytes(seed: int) -> bytes:
    """A valid image with 1 MB after its end."""
    return good(seed, "jpeg") + bytes(1_000_000)


def damaged_jpeg(seed: int) -> bytes:
    """One whose Huffman tables are overwritten."""
    whole = bytearray(good(seed, "jpeg"))
    table = whole.index(b"\xff\xc4")
    whole[table + 5 : table + 21] = b"\xff" * 16
    return bytes(whole)


def headless_jpeg(seed: int) -> bytes:
    """One whose frame header has become a comment."""
    return good(seed, "jpeg").replace(b"\xff\xc0", b"\xff\xfe", 1)


def damaged_png(seed: int) -> bytes:
    """One with some compressed bytes overwritten, which its checksum tells."""
    whole = bytearray(good(seed, "png"))
    middle = len(whole) // 2 + seed % 100
    whole[middle : middle + 20] = b"\x55" * 20
    return bytes(whole)


def empty_png(seed: int) -> bytes:
    """One of no width."""
    return png_of(0, 1 + seed, png_chunk(b"IDAT", zlib.compress(b"")))


KINDS: dict[str, tuple[Callable[[int], bytes], Reason]] = {
    "zero_byte": (zero_byte, Reason.EMPTY),
    "truncated_jpeg": (truncated_jpeg, Reason.TRUNCATED),
    "truncated_png": (truncated_png, Reason.TRUNCATED),
    "truncated_gif": (truncated_gif, Reason.TRUNCATED),
    "truncated_bmp": (truncated_bmp, Reason.TRUNCATED),
    "junk": (junk, Reason.NOT_AN_IMAGE),
    "html": (html, Reason.NOT_AN_IMAGE),
    "webp": (webp, Reason.UNSUPPORTED),
    "tiff": (tiff, Reason.UNSUPPORTED),
    "avif": (avif, Reason.UNSUPPORTED),
    "heic": (heic, Reason.UNSUPPORTED),
    "bomb_png": (bomb_png, Reason.TOO_MANY_PIXELS),
    "bomb_gif": (bomb_gif, Reason.TOO_MANY_PIXELS),
    "scans_jpeg": (scans_jpeg, Reason.TOO_MANY_PIXELS),
    "texts_png": (texts_png, Reason.TOO_COSTLY),
    "blocks_gif": (blocks_gif, Reason.TOO_COSTLY),
    "too_many_bytes": (too_many_bytes, Reason.TOO_MANY_BYTES),
    "ended_jpeg": (ended_jpeg, Reason.TRUNCATED),
    "ended_progressive_jpeg": (ended_progressive_jpeg, Reason.TRUNCATED),
    "broken_gif": (broken_gif, Reason.DAMAGED),
    "damaged_jpeg": (damaged_jpeg, Reason.DAMAGED),
    "headless_jpeg": (headless_jpeg, Reason.DAMAGED),
    "damaged_png": (damaged_png, Reason.DAMAGED),
    "empty_png": (empty_png, Reason.DAMAGED),
}
"""By name, how each is made from a seed, and the reason that `screen` under LIMITS must give."""
