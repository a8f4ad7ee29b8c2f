"""What a BMP must be for TensorFlow to decode it rightly; the screen and the graph use it.

Source: Windows' BITMAPINFOHEADER, BITMAPV4HEADER and BITMAPV5HEADER; OS/2 2.0.

    >>> len(GREYS), list(GREYS[4:8])
    (1024, [1, 1, 1, 0])
"""

HEADER_SIZES = (40, 52, 56, 64, 108, 124)
"""In bytes, for all versions but the first."""
COLOUR_BITS = (24, 32)
"""Bits of a pixel without a palette."""
PALETTE = 54
"""Where a palette begins behind a header of 40 bytes."""
GREYS = bytes(byte for grey in range(256) for byte in (grey, grey, grey, 0))
"""The one palette with which TensorFlow, which knows none, is right."""
