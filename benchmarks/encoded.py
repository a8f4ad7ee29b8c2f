"""Encoded images that are asked for, and sides within one process that take turns."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

KINDS = {"PNG 64 x 64": ("PNG", (64, 64)), "JPEG 500 x 375": ("JPEG", (500, 375))}


def images(kind: str, count: int) -> list[bytes]:
    """Encoded images that look like photographs to an encoder."""
    name, size = KINDS[kind]
    random, found = np.random.default_rng(0), []
    for _ in range(count):
        coarse = random.integers(0, 256, (24, 32, 3), np.uint8)
        picture = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        noise = random.normal(0, 6, (*size[::-1], 3))
        pixels = np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, name, quality=90)
        found.append(stream.getvalue())
    return found


def in_turns(sides: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Median seconds of each, one call of each a round."""
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for place, side in enumerate(sides):
            started = time.perf_counter()
            side()
            times[place].append(time.perf_counter() - started)
    return [statistics.median(each) for each in times]
