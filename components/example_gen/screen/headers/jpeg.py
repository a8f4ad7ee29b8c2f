"""The header of a JPEG: every marker from its beginning to its end, without the pixels.

Source: ITU-T T.81, annexes B and G.

    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (32, 24)).save(file, "JPEG")
    >>> header = read_jpeg(file.getvalue())
    >>> header.width, header.height, header.scans, header.complete
    (32, 24, 1, True)
    >>> read_jpeg(file.getvalue()[:-2]).complete
    False
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from components.example_gen.screen.headers.base import Header, damaged, too_costly
from components.example_gen.screen.result import Reason, UnfitError

_MARKER = re.compile(rb"\xff([^\xff\x00])")
_SOI, _EOI, _SOS, _DRI = 0xD8, 0xD9, 0xDA, 0xDD
_RESTARTS = range(0xD0, 0xD8)
_BARE = {0x01, *_RESTARTS}
"""Markers without a segment."""
_SEGMENT = re.compile(b"\xff([^\xff\\x00" + bytes(sorted(_BARE)) + b"])")
"""A marker that has a segment, or the end marker."""
_SKIPPED = {0xFE, *range(0xE0, 0xF0)}
"""Comments and application data: libjpeg skips them even if their length is below 2."""
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
"""Markers of frame headers, including JPEG-LS."""
_DCT = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_PROGRESSIVE = {0xC2, 0xCA}

_MAX_SEGMENTS = 1_000
"""Segments before the pixels, all visited by the decoding graph; a 16 MB profile takes 250."""
_MAX_LATER = 10_000
"""Segments after the first scan."""
_USUAL_PASSES = 6
"""How often each colour occurs in the scans of a usual progressive JPEG, at most."""
_COEFFICIENTS = 64


@dataclass
class _Scans:
    """What the scans contain of each colour.

    Attributes:
      progressive: whether the frame is progressive.
      left: bits that each coefficient still lacks, by colour; below 0 before its first scan.
      count: number of scans.
      passes: number of colours in all scans.
      interval: blocks, or groups of blocks of all colours, between two restart markers; 0: no such
        marker.
      restarts_lost: whether a scan has fewer of these markers than its blocks need, or ends at one.
    """

    progressive: bool
    left: dict[int, list[int]]
    interval: int = 0
    count: int = 0
    passes: int = 0
    complete: bool = field(default=False, init=False)
    data_end: int = field(default=0, init=False)
    restarts_lost: bool = field(default=False, init=False)

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

    def count_restarts(self, data: bytes, blocks: int) -> None:
        """Compares the restart markers in a scan's data with those that its blocks need."""
        # Of a photograph's bytes one in 200 is 0xFF: fast, where eight searches are not.
        found = sum(piece[0] in _RESTARTS for piece in data.split(b"\xff")[1:] if piece)
        needed = -(-blocks // self.interval) - 1
        # Behind the last of them are data, of a bit at least.
        is_cut = found == needed > 0 and data[-2] == 0xFF and data[-1] in _RESTARTS
        self.restarts_lost |= found < needed or is_cut

    def unfinished(self) -> bool:
        """Whether a colour is missing, or has coefficients that lack bits."""
        return any(bits[0] < 0 or max(bits) > 0 for bits in self.left.values())


def read_jpeg(image: bytes) -> Header:
    """Walks from marker to marker, as libjpeg does.

    Raises:
      UnfitError: it is damaged, cut off between two scans, or has too many segments.
      IndexError, struct.error: it ends within its header.
    """
    if image[2:3] not in (b"\xff", b""):
        raise damaged("a JPEG whose third byte is wrong")
    frame, position, interval = _to_first_scan(image)
    marker, bits, height, width, components = struct.unpack_from(">BBHHB", frame)
    colours = frame[7 : 7 + 3 * components : 3]
    scans = _Scans(
        marker in _PROGRESSIVE, {each: [-1] * _COEFFICIENTS for each in colours}, interval
    )
    obstacle = ""
    if marker not in _DCT:
        obstacle = "a lossless or hierarchical JPEG, which TensorFlow does not decode"
    elif bits != 8:
        obstacle = f"a JPEG of {bits} bits per colour; TensorFlow decodes 8"
    elif components not in (1, 3, 4):
        obstacle = f"a JPEG of {components} colours, which TensorFlow does not decode"
    _read_scans(image, position, scans, frame)
    if scans.complete and not obstacle and scans.restarts_lost:
        raise UnfitError(
            Reason.TRUNCATED, "a JPEG with an end marker, but without some of its restart markers"
        )
    if scans.complete and not obstacle and scans.unfinished():
        raise UnfitError(
            Reason.TRUNCATED, "a JPEG with an end marker, but without all of its scans"
        )
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


def _to_first_scan(image: bytes) -> tuple[bytes, int, int]:
    """The frame header with its marker, the first scan's header's place, the restart interval."""
    position, frame, interval = 2, b"", 0
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
            raise damaged("a JPEG with a segment of impossible length")
        if marker == _SOS:
            if not frame:
                raise damaged("a JPEG without a frame header, which holds its size")
            return frame, position, interval
        if marker in _FRAMES:
            if frame:
                raise damaged("a JPEG with two frame headers")
            frame = found[1] + image[position + 2 : position + length]
        if marker == _DRI:
            interval = _interval(image, position)
        position += max(2, length)
    raise too_costly(f"a JPEG with more than {_MAX_SEGMENTS:,} segments before its pixels")


def _interval(image: bytes, position: int) -> int:
    return int.from_bytes(image[position + 2 : position + 4], "big")


def _blocks(frame: bytes, scan: bytes) -> int:
    """Blocks of a scan of one colour; of several colours, groups of blocks of all (annex A.2)."""
    height, width, components = struct.unpack_from(">HHB", frame, 2)
    factors = {frame[at]: divmod(frame[at + 1], 16) for at in range(7, 7 + 3 * components, 3)}
    across = max((each[0] for each in factors.values()), default=0)
    down = max((each[1] for each in factors.values()), default=0)
    if not (across and down):
        return 0
    if scan[0] > 1:
        return -(-width // (8 * across)) * -(-height // (8 * down))
    own_across, own_down = factors.get(scan[1], (0, 0))
    columns, rows = -(-width * own_across // across), -(-height * own_down // down)
    return -(-columns // 8) * -(-rows // 8)


def _read_scans(image: bytes, position: int, scans: _Scans, frame: bytes) -> None:
    """Reads the scan whose header begins at a position, and all later scans, to the end marker.

    A sequential JPEG may have several too: one per colour. After the end marker there may be a
    video, as phones append it, which may contain any bytes.
    """
    marker = _SOS
    for _ in range(_MAX_LATER):
        length = int.from_bytes(image[position : position + 2], "big")
        if marker == _SOS:
            if length < 3 or position + length > len(image):
                break
            scan = image[position + 2 : position + length]
            scans.add(scan)
        elif marker == _DRI:
            scans.interval = _interval(image, position)
        position += max(2, length)
        found = _SEGMENT.search(image, position)
        if marker == _SOS:
            scans.data_end = found.start() if found else len(image)
            if scans.interval:
                scans.count_restarts(image[position : scans.data_end], _blocks(frame, scan))
        if not found:
            break
        marker, position = found[1][0], found.end()
        if marker == _EOI:
            scans.complete = True
            break
    else:
        raise damaged(f"a JPEG with more than {_MAX_LATER:,} segments after its first scan")
