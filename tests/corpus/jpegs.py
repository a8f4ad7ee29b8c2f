"""JPEGs of every colour space and subsampling, and those that say an orientation."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

from PIL import Image

from tests.corpus.case import Case, picture, saved
from tests.corpus.exif import exif, exif6, xmp

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


def jpegs() -> Iterator[Case]:
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
        yield Case("JPEG", says, saved(image, "JPEG", quality=90, **of_save))
    yield Case("JPEG", "grey", saved(image.convert("L"), "JPEG", quality=90))
    cmyk = saved(image.convert("CMYK"), "JPEG", quality=95, subsampling=0)
    yield Case("JPEG", "CMYK, Adobe marker", cmyk)
    yield Case("JPEG", "CMYK, no Adobe marker", without_adobe(cmyk))
    yield Case("JPEG", "YCCK, Adobe marker", with_transform(cmyk, 2))
    short = with_segments(without_adobe(cmyk), segment(APP14, b"Adobe\0\x64"))
    yield Case("JPEG", "CMYK, Adobe marker too short to count", short)
    for transform, says in ((0, "CMYK"), (2, "YCCK")):
        longer = segment(APP14, b"Adobe\0\x64" + bytes(4) + bytes([transform]) + b"more")
        encoded = with_segments(without_adobe(cmyk), longer)
        yield Case("JPEG", f"{says}, Adobe marker longer than usual", encoded)
    for orientation in range(1, 9):
        order = "<>"[orientation % 2]
        for kind in (3, 4):
            made = oriented_jpeg(orientation, order=order, kind=kind, before=2, after=9)
            yield Case("JPEG", f"orientation {orientation} (Exif, type {kind})", made)
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
        yield Case("JPEG", says, with_segments(jpeg, *segments))
    behind = jpeg.index(b"\xff\xda")
    yield Case("JPEG", "Exif behind the tables", jpeg[:behind] + six + jpeg[behind:])
    yield Case("JPEG", "fill bytes before Exif", jpeg[:2] + b"\xff\xff\xff" + six + jpeg[2:])
    stream = io.BytesIO()
    image = Image.fromarray(picture())
    image.save(
        stream, "MPO", save_all=True, append_images=[image.rotate(90)], quality=90, exif=exif6()
    )
    yield Case("JPEG", "MPO, orientation 6", stream.getvalue())
