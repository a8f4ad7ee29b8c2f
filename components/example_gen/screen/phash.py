"""A perceptual hash: images that look alike differ in few of its bits."""

from __future__ import annotations

from typing import Any

_SAMPLES = 512
"""Of a side so many pixels are looked at, at least; the hash is made of 32 x 32 means of them."""


def phash(pixels: Any) -> int:
    """The pHash of `imagehash` as an unsigned number of 64 bits.

    Args:
      pixels: uint8 [height, width, 3], a NumPy array.
    """
    import imagehash
    import numpy as np
    from PIL import Image

    rows, columns = (max(1, side // _SAMPLES) for side in pixels.shape[:2])
    few = pixels[rows // 2 :: rows, columns // 2 :: columns]
    bits = np.packbits(imagehash.phash(Image.fromarray(few)).hash)
    return int.from_bytes(bits.tobytes(), "big")
