"""GIFs whose frames lie anywhere on the screen."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.corpus.case import HEIGHT, WIDTH, Case, picture, saved


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


def gifs() -> Iterator[Case]:
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
