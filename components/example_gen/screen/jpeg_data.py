"""Whether the data of a JPEG end before its pixels do, which no decoder reports.

libjpeg fills up what lacks with one grey where it meets the end's marker, and only warns. So its
data are given to it without that marker: it waits for more where they do not suffice.
"""

from __future__ import annotations

from typing import Any

from components.example_gen.screen.headers.base import Header

_EIGHTH = 8
"""Pixels of a side that become one: libjpeg then leaves out the transform, not the data."""
_ONES = b"\xff\0"
"""Eight bits of 1 in the data; all 1 is no code, so that few of them make no pixel."""
_AHEAD = 8
"""Bytes that libjpeg reads ahead."""
_TRIES = 10
_PRINT = 4
"""Colours of CMYK, of which libjpeg makes no grey."""


def ends_early(image: bytes, header: Header) -> bool:
    """Whether data lack in the last scan of a JPEG, but for some 8 bytes.

    Args:
      image: a JPEG that TensorFlow decodes.
      header: what its header says.
    """
    data = image[: header.data_end] + _ONES * _AHEAD
    decoder = _decoder(header)
    used, error = decoder.decode(data)
    if used < 0:
        # All rows are there; or it is damaged, of which TensorFlow has judged.
        return False
    rest = data[used:]
    # Of several scans no row comes before the end; after the last one bytes are skipped one by one.
    for _ in range(_TRIES):
        if rest:
            return True
        rest = _ONES
        used, error = decoder.decode(rest)
        if used < 0 or error < 0:
            return False
        rest = rest[used:]
    return bool(rest)


def _decoder(header: Header) -> Any:
    """Pillow's decoder of a JPEG into an image of an eighth of its sides."""
    from PIL import Image

    mode = "CMYK" if header.components == _PRINT else "L"
    size = (-(-header.width // _EIGHTH), -(-header.height // _EIGHTH))
    decoder = Image._getdecoder(mode, "jpeg", (mode, "", _EIGHTH, 0), ())
    decoder.setimage(Image.core.new(mode, size), (0, 0, *size))
    return decoder
