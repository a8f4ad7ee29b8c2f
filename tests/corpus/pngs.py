"""PNGs of every depth and kind."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from tests.corpus.case import HEIGHT, WIDTH, Case, picture
from tests.corpus.exif import exif, xmp

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
    deep = np.minimum(picture().astype(np.int64) * 257 + 3, 65535)
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


def pngs() -> Iterator[Case]:
    for colour, name in _NAMES.items():
        for bits in _DEPTHS.get(colour, (8, 16)):
            samples = _samples(bits, colour)
            before = _plte(bits) if colour == _PALETTE else b""
            for interlaced in (False, True):
                says = f"{name}, {bits} bits" + (", interlaced" if interlaced else "")
                made = png(samples, bits, colour, before=before, interlaced=interlaced)
                yield Case("PNG", says, made)
            key = samples[HEIGHT // 2, WIDTH // 2]
            if colour in (_GREY, _RGB):
                trns = chunk(b"tRNS", key.astype(">u2").tobytes())
                yield Case(
                    "PNG",
                    f"{name}, {bits} bits, one colour transparent (tRNS)",
                    png(samples, bits, colour, before=trns),
                    _transparent(samples, key, bits),
                )
            if colour == _PALETTE:
                alphas = np.random.default_rng(9).integers(0, 256, 2**bits, np.uint8).tobytes()
                yield Case(
                    "PNG",
                    f"{name}, {bits} bits, transparency (tRNS)",
                    png(samples, bits, colour, before=before + chunk(b"tRNS", alphas)),
                )
                yield Case(
                    "PNG",
                    f"{name}, {bits} bits, transparency of the first colour (tRNS)",
                    png(samples, bits, colour, before=before + chunk(b"tRNS", b"\0")),
                )
    yield from _oriented_pngs()


def _transparent(samples: np.ndarray, key: np.ndarray, bits: int) -> np.ndarray:
    """Where all samples of a pixel are the key's, it is transparent; Pillow compares 8 bits."""
    most = 2**bits - 1
    alpha = np.where((samples == key).all(-1, keepdims=True), 0, 255)
    colours = np.broadcast_to(samples * 255 // most, (*samples.shape[:2], 3))
    return np.concatenate([colours, alpha], -1).astype(np.uint8)


def transparent_picture() -> np.ndarray:
    """RGB and alpha, uint8 [height, width, 4]."""
    return _samples(8, _RGBA).astype(np.uint8)


def _oriented_pngs() -> Iterator[Case]:
    samples = _samples(8, _RGB)
    for orientation in range(1, 9):
        said = chunk(b"eXIf", exif(orientation, "<>"[orientation % 2]))
        says = f"orientation {orientation} (eXIf)"
        yield Case("PNG", says, png(samples, 8, _RGB, before=said))
    six = chunk(b"eXIf", exif(6, ">"))
    yield Case("PNG", "orientation behind the pixels (eXIf)", png(samples, 8, _RGB, after=six))
    made = png(_samples(8, _RGBA), 8, _RGBA, before=six)
    yield Case("PNG", "RGBA and orientation (eXIf)", made)
    text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(8))
    yield Case("PNG", "orientation in XMP", png(samples, 8, _RGB, before=text))
