"""Small images of many kinds, made by Pillow, struct and zlib, and how Pillow shows each."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

WHITE = (255, 255, 255)
HEIGHT, WIDTH = 24, 36


class Case(NamedTuple):
    """An image of the corpus.

    Attributes:
      format: as in the table of the docs.
      says: the property that it has.
      encoded: its bytes.
      levels: by how many of 256 a pixel may differ from Pillow's.
    """

    format: str
    says: str
    encoded: bytes
    levels: int = 0


def as_seen(encoded: bytes, background: tuple[int, int, int] = WHITE) -> np.ndarray:
    """The first frame as Pillow shows it, uint8 [height, width, 3]."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded)))
    if image.mode.startswith("I;16"):
        return _as_seen_16(image, background)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*background, 255)), image)
    return np.asarray(image.convert("RGB"))


def _as_seen_16(image: Image.Image, background: tuple[int, int, int]) -> np.ndarray:
    """Greys of 16 bits, which Pillow would cut off at 255."""
    deep = np.asarray(image).astype(np.uint16)
    grey = np.repeat((deep >> 8)[..., np.newaxis], 3, -1).astype(np.uint8)
    key = image.info.get("transparency")
    if key is not None:
        grey[deep == key] = background
    return grey


def cases() -> Iterator[Case]:
    """The corpus."""
    yield from _pngs()
    yield from _jpegs()
    yield from _gifs()
    yield from _bmps()


def picture(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Colours that change smoothly and are alike in no two corners, uint8 [height, width, 3]."""
    rows, columns = np.mgrid[0:height, 0:width]
    red = 255 * columns / max(width - 1, 1)
    green = 255 * rows / max(height - 1, 1)
    blue = 127 + 120 * np.sin(columns / 5 + rows / 7)
    return np.stack([red, green, blue], -1).astype(np.uint8)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


# PNG ------------------------------------------------------------------------------------------

_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_CHANNELS = {_GREY: 1, _RGB: 3, _PALETTE: 1, _GREY_ALPHA: 2, _RGBA: 4}
_PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)),
    (0, 1, 1, 2),
)
"""Adam7: first column, first row, and the steps between them."""


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    samples: np.ndarray,
    bits: int,
    colour: int,
    *,
    before: bytes = b"",
    after: bytes = b"",
    interlaced: bool = False,
) -> bytes:
    """A PNG written by hand.

    Args:
      samples: whole numbers [height, width, channels] below 2 ** bits.
      bits: a sample.
      colour: PNG's colour type.
      before: chunks before the pixels.
      after: chunks after them.
      interlaced: by Adam7.
    """
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    parts = [samples]
    if interlaced:
        parts = [samples[y::dy, x::dx] for x, y, dx, dy in _PASSES]
    lines = b"".join(_lines(part, bits) for part in parts if part.size)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            before,
            chunk(b"IDAT", zlib.compress(lines)),
            after,
            chunk(b"IEND", b""),
        )
    )


def _lines(samples: np.ndarray, bits: int) -> bytes:
    flat = samples.reshape(len(samples), -1)
    if bits == 16:
        rows = flat.astype(">u2").view(np.uint8).reshape(len(flat), -1)
    else:
        single = (flat[..., np.newaxis] >> np.arange(bits - 1, -1, -1)) & 1
        rows = np.packbits(single.reshape(len(flat), -1).astype(np.uint8), axis=1)
    return b"".join(b"\0" + row.tobytes() for row in rows)


def _samples(bits: int, colour: int) -> np.ndarray:
    deep = picture().astype(np.int64) * 257 + 3
    alpha = np.minimum(np.mgrid[0:HEIGHT, 0:WIDTH].sum(0) * 1111, 65535)[..., np.newaxis]
    channels = {
        _GREY: deep[..., :1],
        _RGB: deep,
        _PALETTE: deep[..., 2:],
        _GREY_ALPHA: np.concatenate([deep[..., :1], alpha], -1),
        _RGBA: np.concatenate([deep, alpha], -1),
    }
    return channels[colour] >> (16 - bits)


_DEPTHS = {_GREY: (1, 2, 4, 8, 16), _PALETTE: (1, 2, 4, 8)}
_NAMES = {
    _GREY: "grey",
    _RGB: "RGB",
    _PALETTE: "palette",
    _GREY_ALPHA: "grey and alpha",
    _RGBA: "RGBA",
}


def _plte(bits: int) -> bytes:
    colours = np.random.default_rng(bits).integers(0, 256, (2**bits, 3), np.uint8)
    return chunk(b"PLTE", colours.tobytes())


def _pngs() -> Iterator[Case]:
    for colour, name in _NAMES.items():
        for bits in _DEPTHS.get(colour, (8, 16)):
            samples = _samples(bits, colour)
            before = _plte(bits) if colour == _PALETTE else b""
            levels = 1 if bits == 16 or colour in (_GREY_ALPHA, _RGBA) else 0
            for interlaced in (False, True):
                says = f"{name}, {bits} bits" + (", interlaced" if interlaced else "")
                made = png(samples, bits, colour, before=before, interlaced=interlaced)
                yield Case("PNG", says, made, levels)
            key = samples[HEIGHT // 2, WIDTH // 2]
            if colour in (_GREY, _RGB):
                trns = chunk(b"tRNS", key.astype(">u2").tobytes())
                yield Case(
                    "PNG",
                    f"{name}, {bits} bits, one colour transparent (tRNS)",
                    png(samples, bits, colour, before=trns),
                    levels,
                )
            if colour == _PALETTE:
                alphas = np.random.default_rng(9).integers(0, 256, 2**bits, np.uint8).tobytes()
                yield Case(
                    "PNG",
                    f"{name}, {bits} bits, transparency (tRNS)",
                    png(samples, bits, colour, before=before + chunk(b"tRNS", alphas)),
                    1,
                )
                yield Case(
                    "PNG",
                    f"{name}, {bits} bits, transparency of the first colour (tRNS)",
                    png(samples, bits, colour, before=before + chunk(b"tRNS", b"\0")),
                    1,
                )
    yield from _oriented_pngs()


def exif(
    orientation: int,
    order: str = "<",
    kind: int = 3,
    before: int = 0,
    after: int = 0,
    offset: int = 8,
    count: int = 1,
) -> bytes:
    """Exif data without their name.

    Args:
      orientation: the value.
      order: of bytes, as in struct.
      kind: TIFF's type of it.
      before: other entries of the directory before it.
      after: other entries behind it.
      offset: where the directory begins.
      count: of values.
    """

    def entry(tag: int, of: int, many: int, value: bytes) -> bytes:
        return struct.pack(order + "HHI", tag, of, many) + value.ljust(4, b"\0")

    formats = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I"}
    entries = [entry(0x0100 + place, 4, 1, struct.pack(order + "I", 99)) for place in range(before)]
    entries.append(entry(0x0112, kind, count, struct.pack(order + formats[kind], orientation)))
    entries += [entry(0x0131 + place, 3, 1, b"\7\7") for place in range(after)]
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", offset)
    directory = struct.pack(order + "H", len(entries)) + b"".join(entries)
    return head.ljust(offset, b"\0") + directory + bytes(4)


def xmp(orientation: int, attribute: bool = True) -> bytes:
    said = f'tiff:Orientation="{orientation}"/>'
    if not attribute:
        said = f"><tiff:Orientation>{orientation}</tiff:Orientation></rdf:Description>"
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description xmlns:tiff='
        f'"http://ns.adobe.com/tiff/1.0/" {said}</rdf:RDF></x:xmpmeta>'
    ).encode()


def _oriented_pngs() -> Iterator[Case]:
    samples = _samples(8, _RGB)
    for orientation in range(1, 9):
        said = chunk(b"eXIf", exif(orientation, "<>"[orientation % 2]))
        says = f"orientation {orientation} (eXIf)"
        yield Case("PNG", says, png(samples, 8, _RGB, before=said))
    six = chunk(b"eXIf", exif(6, ">"))
    yield Case("PNG", "orientation behind the pixels (eXIf)", png(samples, 8, _RGB, after=six))
    made = png(_samples(8, _RGBA), 8, _RGBA, before=six)
    yield Case("PNG", "RGBA and orientation (eXIf)", made, 1)
    text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(8))
    yield Case("PNG", "orientation in XMP", png(samples, 8, _RGB, before=text))


# JPEG -----------------------------------------------------------------------------------------

APP0, APP1, APP2, APP14, COM = 0xE0, 0xE1, 0xE2, 0xEE, 0xFE


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def with_segments(jpeg: bytes, *segments: bytes, after_app0: bool = True) -> bytes:
    """A JPEG with more segments, behind its APP0 or before it."""
    place = 2
    if after_app0 and jpeg[3] == APP0:
        place += 2 + int.from_bytes(jpeg[4:6], "big")
    return jpeg[:place] + b"".join(segments) + jpeg[place:]


def without_adobe(jpeg: bytes) -> bytes:
    place = jpeg.index(b"\xff\xee\x00\x0eAdobe")
    return jpeg[:place] + jpeg[place + 16 :]


def with_transform(jpeg: bytes, transform: int) -> bytes:
    place = jpeg.index(b"\xff\xee\x00\x0eAdobe")
    return jpeg[: place + 15] + bytes([transform]) + jpeg[place + 16 :]


def rgb_jpeg() -> bytes:
    return saved(Image.fromarray(picture()), "JPEG", quality=90)


def oriented_jpeg(orientation: int, **options: int | str) -> bytes:
    said = segment(APP1, b"Exif\0\0" + exif(orientation, **options))
    return with_segments(rgb_jpeg(), said, after_app0=bool(orientation % 2))


def _jpegs() -> Iterator[Case]:
    image = Image.fromarray(picture())
    options = {
        "4:4:4": {"subsampling": 0},
        "4:2:2": {"subsampling": 1},
        "4:2:0": {"subsampling": 2},
        "4:1:1": {"subsampling": "4:1:1"},
        "progressive": {"progressive": True},
        "restart markers": {"restart_marker_blocks": 1},
        "optimised": {"optimize": True},
        "RGB (Adobe transform 0)": {"keep_rgb": True, "subsampling": 0},
        "ICC profile of 200 kB": {"icc_profile": b"p" * 200_000},
    }
    for says, of_save in options.items():
        yield Case("JPEG", says, saved(image, "JPEG", quality=90, **of_save), 2)
    yield Case("JPEG", "grey", saved(image.convert("L"), "JPEG", quality=90), 2)
    cmyk = saved(image.convert("CMYK"), "JPEG", quality=95, subsampling=0)
    yield Case("JPEG", "CMYK, Adobe marker", cmyk, 2)
    yield Case("JPEG", "CMYK, no Adobe marker", without_adobe(cmyk), 2)
    yield Case("JPEG", "YCCK, Adobe marker", with_transform(cmyk, 2), 2)
    for orientation in range(1, 9):
        order = "<>"[orientation % 2]
        for kind in (3, 4):
            made = oriented_jpeg(orientation, order=order, kind=kind, before=2, after=9)
            yield Case("JPEG", f"orientation {orientation} (Exif, type {kind})", made, 2)
    yield from _odd_jpegs()


def _odd_jpegs() -> Iterator[Case]:
    jpeg, six = rgb_jpeg(), segment(APP1, b"Exif\0\0" + exif(6, ">", offset=40))
    packet = segment(APP1, b"http://ns.adobe.com/xap/1.0/\0" + xmp(8))
    profile = segment(APP2, b"ICC_PROFILE\0\1\1" + b"Exif\0\0" + exif(8))
    comment = segment(COM, segment(APP1, b"Exif\0\0" + exif(3)))
    thumbnail = segment(APP1, b"Exif\0\0" + exif(1) + with_segments(jpeg, six))
    found = {
        "orientation behind XMP, a profile and a comment": (packet, profile, comment, six),
        "Exif in a comment and a profile alone": (comment, profile),
        "a thumbnail of another orientation": (thumbnail,),
        "orientation in XMP": (packet,),
        "orientation in XMP, as an element": (
            segment(APP1, b"http://ns.adobe.com/xap/1.0/\0" + xmp(3, False)),
        ),
        "orientation in a later Exif entry of two": (
            segment(APP1, b"Exif\0\0" + exif(8, before=30)),
        ),
        "orientation 0": (segment(APP1, b"Exif\0\0" + exif(0)),),
        "orientation 9": (segment(APP1, b"Exif\0\0" + exif(9)),),
        "orientation as bytes": (segment(APP1, b"Exif\0\0" + exif(6, kind=1)),),
        "orientation twice": (segment(APP1, b"Exif\0\0" + exif(6, count=2)),),
    }
    for says, segments in found.items():
        yield Case("JPEG", says, with_segments(jpeg, *segments), 2)
    behind = jpeg.index(b"\xff\xda")
    yield Case("JPEG", "Exif behind the tables", jpeg[:behind] + six + jpeg[behind:], 2)
    yield Case("JPEG", "fill bytes before Exif", jpeg[:2] + b"\xff\xff\xff" + six + jpeg[2:], 2)
    stream = io.BytesIO()
    image = Image.fromarray(picture())
    image.save(
        stream, "MPO", save_all=True, append_images=[image.rotate(90)], quality=90, exif=exif6()
    )
    yield Case("JPEG", "MPO, orientation 6", stream.getvalue(), 2)


def exif6() -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = 6
    return found


# GIF ------------------------------------------------------------------------------------------


def gif(
    *frames: tuple[tuple[int, int, int, int], dict[str, object]], screen: tuple[int, int]
) -> bytes:
    """A GIF written by hand.

    Args:
      *frames: (left, top, width, height) and, by name, `transparent` (an index), `own` (a palette
        of its own), `interlaced`, `disposal`, `comment`.
      screen: its width and height.
    """
    colours = np.random.default_rng(3).integers(1, 255, (64, 3), np.uint8)
    out = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80 | 5, 7, 0) + colours.tobytes()
    out += b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
    for (left, top, width, height), options in frames:
        if options.get("comment"):
            out += b"\x21\xfe" + _blocks(b"x," * options["comment"])
        transparent, disposal = options.get("transparent"), options.get("disposal", 0)
        if transparent is not None or disposal:
            flags = disposal << 2 | (transparent is not None)
            out += b"\x21\xf9\x04" + struct.pack("<BHBB", flags, 5, transparent or 0, 0)
        own, interlaced = options.get("own", False), options.get("interlaced", False)
        flags = (0x80 | 5 if own else 0) | (0x40 if interlaced else 0)
        out += b"," + struct.pack("<HHHHB", left, top, width, height, flags)
        if own:
            out += colours[::-1].tobytes()
        rows, columns = np.mgrid[0:height, 0:width]
        index = ((rows * 5 + columns * 3) % 64).astype(np.uint8)
        if interlaced:
            index = np.concatenate([index[0::8], index[4::8], index[2::4], index[1::2]])
        out += b"\x06" + _blocks(_uncompressed(index.ravel()))
    return out + b";"


def _blocks(data: bytes) -> bytes:
    pieces = [data[at : at + 255] for at in range(0, len(data), 255)]
    return b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0"


def _uncompressed(index: np.ndarray) -> bytes:
    """LZW of 6 bits that begins its table again before a code gets longer."""
    codes = []
    for at in range(0, len(index), 60):
        codes += [64, *index[at : at + 60].tolist()]
    codes.append(65)
    bits = ((np.array(codes)[:, np.newaxis] >> np.arange(7)) & 1).astype(np.uint8).ravel()
    return np.packbits(bits, bitorder="little").tobytes()


def _gifs() -> Iterator[Case]:
    whole = (0, 0, WIDTH, HEIGHT)
    part = (5, 3, WIDTH - 10, HEIGHT - 7)
    outside = (WIDTH - 6, HEIGHT - 5, WIDTH, HEIGHT)
    screen = (WIDTH, HEIGHT)
    for says, frames in {
        "one frame": [(whole, {})],
        "transparency": [(whole, {"transparent": 20})],
        "transparency of the first colour": [(whole, {"transparent": 0})],
        "a palette of its own and transparency": [(whole, {"transparent": 9, "own": True})],
        "interlaced": [(whole, {"interlaced": True})],
        "a frame that is smaller than the screen": [(part, {})],
        "a smaller frame with transparency": [(part, {"transparent": 20})],
        "a frame that reaches beyond the screen": [(outside, {})],
        "animated": [(whole, {}), (whole, {"own": True})],
        "animated, the first frame smaller": [(part, {}), (whole, {"own": True})],
        "animated, disposal 2": [(whole, {"disposal": 2, "transparent": 3}), (part, {})],
        "animated, disposal 3": [(whole, {"disposal": 3}), (part, {"disposal": 1})],
        "comments": [(whole, {"comment": 2000, "transparent": 4})],
    }.items():
        yield Case("GIF", says, gif(*frames, screen=screen))
    image = Image.fromarray(picture())
    yield Case("GIF", "by Pillow", saved(image.quantize(100), "GIF"))
    yield Case("GIF", "grey, by Pillow", saved(image.convert("L"), "GIF"))


# BMP ------------------------------------------------------------------------------------------


def bmp(
    bits: int,
    *,
    header: int = 40,
    masks: tuple[int, ...] = (),
    top_down: bool = False,
    compression: int | None = None,
    pixels: bytes | None = None,
) -> bytes:
    """A BMP written by hand.

    Args:
      bits: a pixel.
      header: its size in bytes; 12 is OS/2's.
      masks: of red, green, blue and perhaps alpha; 3 is then its compression.
      top_down: whether the first row comes first.
      compression: another one, with its own `pixels`.
      pixels: rows as they are stored.
    """
    kind = compression if compression is not None else (3 if masks else 0)
    rows = pixels if pixels is not None else _bmp_rows(bits, masks, top_down)
    colours = b""
    if bits <= 8:
        entries = np.random.default_rng(bits).integers(0, 256, (2**bits, 4), np.uint8)
        colours = (entries[:, :3] if header == 12 else entries).tobytes()
    if header == 12:
        fields = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, bits)
    else:
        height = -HEIGHT if top_down else HEIGHT
        fields = struct.pack(
            "<IiiHHIIiiII", header, WIDTH, height, 1, bits, kind, len(rows), 0, 0, 0, 0
        )
        packed = struct.pack(f"<{len(masks)}I", *masks)
        fields = (fields + packed).ljust(header, b"\0") if header > 40 else fields + packed
    start = 14 + len(fields) + len(colours)
    head = b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start)
    return head + fields + colours + rows


def _bmp_rows(bits: int, masks: tuple[int, ...], top_down: bool) -> bytes:
    colours = picture().astype(np.uint32)
    if bits <= 8:
        index = (colours[..., 2] >> (8 - bits)).astype(np.uint8)
        single = (index[..., np.newaxis] >> np.arange(bits - 1, -1, -1)) & 1
        rows = np.packbits(single.reshape(HEIGHT, -1).astype(np.uint8), axis=1)
    elif bits == 24:
        rows = colours[..., ::-1].astype(np.uint8).reshape(HEIGHT, -1)
    else:
        alpha = (np.mgrid[0:HEIGHT, 0:WIDTH].sum(0) * 5 % 256).astype(np.uint32)
        of_32, of_16 = (0xFF0000, 0xFF00, 0xFF), (0x7C00, 0x3E0, 0x1F)
        channels = [colours[..., 0], colours[..., 1], colours[..., 2], alpha]
        whole = np.zeros((HEIGHT, WIDTH), np.uint32)
        for mask, channel in zip(masks or (of_32 if bits == 32 else of_16), channels, strict=False):
            low = (mask & -mask).bit_length() - 1 if mask else 0
            whole |= (channel >> (8 - bin(mask).count("1"))) << low if mask else 0
        if bits == 32 and not masks:
            whole |= alpha << 24
        rows = whole.astype("<u4" if bits == 32 else "<u2").view(np.uint8).reshape(HEIGHT, -1)
    rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))
    return (rows if top_down else rows[::-1]).tobytes()


def _bmps() -> Iterator[Case]:
    plain = (0xFF0000, 0xFF00, 0xFF)
    rle8 = b"".join(bytes([WIDTH, row * 9, 0, 0]) for row in range(HEIGHT)) + b"\0\1"
    for says, made in {
        "24 bits": bmp(24),
        "24 bits, first row first": bmp(24, top_down=True),
        "32 bits, no alpha": bmp(32),
        "32 bits, masks": bmp(32, masks=plain),
        "32 bits, V4, alpha": bmp(32, header=108, masks=(*plain, 0xFF000000)),
        "32 bits, V5, alpha": bmp(32, header=124, masks=(*plain, 0xFF000000)),
        "32 bits, V5, alpha, first row first": bmp(
            32, header=124, masks=(*plain, 0xFF000000), top_down=True
        ),
        "32 bits, V5, other masks": bmp(32, header=124, masks=(0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
        "1 bit, palette": bmp(1),
        "4 bits, palette": bmp(4),
        "8 bits, palette": bmp(8),
        "8 bits, palette, first row first": bmp(8, top_down=True),
        "8 bits, palette, OS/2": bmp(8, header=12),
        "24 bits, OS/2": bmp(24, header=12),
        "8 bits, RLE": bmp(8, compression=1, pixels=rle8),
        "16 bits, 5-5-5": bmp(16),
        "16 bits, 5-6-5": bmp(16, masks=(0xF800, 0x7E0, 0x1F)),
    }.items():
        yield Case("BMP", says, made, 1 if "alpha" in says else 0)
