"""BMPs of every depth and header."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from tests.corpus.case import HEIGHT, WIDTH, Case, picture


def bmp(
    bits: int,
    *,
    header: int = 40,
    masks: tuple[int, ...] = (),
    top_down: bool = False,
    compression: int | None = None,
    pixels: bytes | None = None,
    grey: bool = False,
) -> bytes:
    """A BMP written by hand.

    Args:
      bits: a pixel.
      header: its size in bytes; 12 is OS/2's.
      masks: of red, green, blue and perhaps alpha; 3 is then its compression.
      top_down: whether the first row comes first.
      compression: another one, with its own `pixels`.
      pixels: rows as they are stored.
      grey: whether the palette is that of greys.
    """
    kind = compression if compression is not None else (3 if masks else 0)
    rows = pixels if pixels is not None else _bmp_rows(bits, masks, top_down)
    colours = b""
    if bits <= 8:
        entries = np.random.default_rng(bits).integers(0, 256, (2**bits, 4), np.uint8)
        if grey:
            entries[:] = np.arange(256)[:, np.newaxis]
            entries[:, 3] = 0
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


def bmps() -> Iterator[Case]:
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
        "8 bits, palette of greys": bmp(8, grey=True),
        "8 bits, palette, first row first": bmp(8, top_down=True),
        "8 bits, palette, OS/2": bmp(8, header=12),
        "24 bits, OS/2": bmp(24, header=12),
        "8 bits, RLE": bmp(8, compression=1, pixels=rle8),
        "16 bits, 5-5-5": bmp(16),
        "16 bits, 5-6-5": bmp(16, masks=(0xF800, 0x7E0, 0x1F)),
    }.items():
        yield Case("BMP", says, made)
