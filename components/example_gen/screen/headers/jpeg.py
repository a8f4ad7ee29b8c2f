"""The header of a JPEG: every marker from its beginning to its end, without the pixels.

Source: ITU-T T.81, annexes B and G.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from components.example_gen.screen.headers.base import Header, damaged, too_costly
from components.example_gen.screen.result import Reason, UnfitError

_MARKER = re.compile(rb"\xff([^\xff\x00])")
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_BARE = {0x01, *range(0xD0, 0xD8)}
"""Markers without a segment."""
_SEGMENT = re.compile(b"\xff([^\xff\\x00" + bytes(sorted(_BARE)) + b"])")
"""A marker that has one, or the end."""
_SKIPPED = {0xFE, *range(0xE0, 0xF0)}
"""Comments and data of applications: libjpeg skips them even where their length is below 2."""
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
"""Frame headers, that of JPEG-LS included."""
_DCT = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_PROGRESSIVE = {0xC2, 0xCA}

_MAX_SEGMENTS = 1_000
"""Before the pixels, where the decoding graph visits each. A colour profile of 16 MB takes 250."""
_MAX_LATER = 10_000
"""After the first scan."""
_USUAL_PASSES = 6
"""Times that each colour comes in the scans of a usual progressive JPEG, at most."""
_COEFFICIENTS = 64


@dataclass
class _Scans:
    """What the scans hold of each colour.

    Attributes:
      progressive: the frame says so.
      left: bits that a coefficient still lacks, by colour; below 0 of one that has not begun.
      count: of scans.
      passes: colours in all scans.
    """

    progressive: bool
    left: dict[int, list[int]]
    count: int = 0
    passes: int = 0
    complete: bool = field(default=False, init=False)
    data_end: int = field(default=0, init=False)

    def add(self, segment: bytes) -> None:
        """Counts a scan by its header, without the length."""
        colours = segment[0]
        self.count += 1
        self.passes += colours
        if len(segment) < 4 + 2 * colours:
            return
        first, last, bits = segment[1 + 2 * colours : 4 + 2 * colours]
        if not self.progressive:
            first, last, bits = 0, _COEFFICIENTS - 1, 0
        for colour in segment[1 : 1 + 2 * colours : 2]:
            if colour in self.left and last < _COEFFICIENTS:
                self.left[colour][first : last + 1] = [bits % 16] * (last + 1 - first)

    def unfinished(self) -> bool:
        """A colour was not sent, or some of its bits were begun and not finished."""
        return any(bits[0] < 0 or max(bits) > 0 for bits in self.left.values())


def read_jpeg(image: bytes) -> Header:
    """Walks from marker to marker, as libjpeg does.

    Raises:
      UnfitError: it is damaged, cut off between two scans, or has too many segments.
      IndexError, struct.error: it ends within its header.
    """
    if image[2:3] not in (b"\xff", b""):
        raise damaged("a JPEG whose third byte is changed")
    frame, position = _to_first_scan(image)
    marker, bits, height, width, components = struct.unpack_from(">BBHHB", frame)
    colours = frame[7 : 7 + 3 * components : 3]
    scans = _Scans(marker in _PROGRESSIVE, {each: [-1] * _COEFFICIENTS for each in colours})
    obstacle = ""
    if marker not in _DCT:
        obstacle = "a lossless or hierarchical JPEG, which TensorFlow does not decode"
    elif bits != 8:
        obstacle = f"a JPEG of {bits} bits a colour, of which TensorFlow decodes 8"
    elif components not in (1, 3, 4):
        obstacle = f"a JPEG of {components} colours, which TensorFlow does not decode"
    _read_scans(image, position, scans)
    if scans.complete and not obstacle and scans.unfinished():
        raise UnfitError(Reason.TRUNCATED, "a JPEG with an end, but without all of its scans")
    return Header(
        "jpeg",
        width,
        height,
        obstacle,
        scans=scans.count,
        extra_passes=max(0, scans.passes - _USUAL_PASSES * components),
        components=components,
        data_end=scans.data_end,
        complete=scans.complete,
    )


def _to_first_scan(image: bytes) -> tuple[bytes, int]:
    """The frame header, its marker first, and where the first scan's marker ends."""
    position, frame = 2, b""
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(image, position)
        if not found:
            raise IndexError
        marker, position = found[1][0], found.end()
        if marker in _BARE:
            continue
        if marker in (_SOI, _EOI):
            raise damaged("a JPEG that ends before its first scan")
        (length,) = struct.unpack_from(">H", image, position)
        if length < 2 and marker not in _SKIPPED:
            raise damaged("a JPEG with a segment of less than no length")
        if marker == _SOS:
            if not frame:
                raise damaged("a JPEG without a frame header, which tells its size")
            return frame, position
        if marker in _FRAMES:
            if frame:
                raise damaged("a JPEG with two frame headers")
            frame = found[1] + image[position + 2 : position + length]
        position += max(2, length)
    raise too_costly(f"a JPEG with more than {_MAX_SEGMENTS:,} segments before its pixels")


def _read_scans(image: bytes, position: int, scans: _Scans) -> None:
    """Reads the scan whose header begins at a position, and all that follow, to the end.

    Of a sequential JPEG too: its decoder takes all there are where the first holds one colour.
    After the end there may be a film, as phones append it, in which any bytes occur.
    """
    marker = _SOS
    for _ in range(_MAX_LATER):
        length = int.from_bytes(image[position : position + 2], "big")
        if marker == _SOS:
            if length < 3 or position + length > len(image):
                break
            scans.add(image[position + 2 : position + length])
        position += max(2, length)
        found = _SEGMENT.search(image, position)
        if marker == _SOS:
            scans.data_end = found.start() if found else len(image)
        if not found:
            break
        marker, position = found[1][0], found.end()
        if marker == _EOI:
            scans.complete = True
            break
    else:
        raise damaged(f"a JPEG with more than {_MAX_LATER:,} segments after its first scan")
