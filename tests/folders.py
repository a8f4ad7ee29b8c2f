"""Folders of drawn photographs, of mixed size and format, some of them spoiled."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from tests import poison

CLASSES = ("daisies", "poppies", "roses", "tulips", "violets")
FORMATS = ("JPEG", "PNG", "GIF", "BMP")
_COLOURS = ("#f4d03f", "#c0392b", "#fdfefe", "#e67e22", "#8e44ad")


def photo(label, random, kind="JPEG", sides=(40, 64)):
    """One encoded photograph: a flower in its class's colour and number of petals."""
    width, height = (int(side) for side in random.integers(*sides, 2))
    shade = tuple(int(part) for part in random.integers(30, 90, 3))
    image = Image.new("RGB", (width, height), shade)
    pen = ImageDraw.Draw(image)
    radius = min(width, height) / 4
    x, y = width / 2 + random.normal(0, 2), height / 2 + random.normal(0, 2)
    for angle in np.linspace(0, 2 * np.pi, 4 + 2 * label, endpoint=False):
        px, py, r = x + radius * np.cos(angle), y + radius * np.sin(angle), radius / 2
        pen.ellipse((px - r, py - r, px + r, py + r), fill=_COLOURS[label])
    content = io.BytesIO()
    image.save(content, kind)
    return content.getvalue()


def write_photos(folder, count, seed=0, sides=(40, 64)):
    """`<folder>/<class>/*` with `count` good photographs, evenly over classes and formats."""
    random = np.random.default_rng(seed)
    for number in range(count):
        label, kind = number % len(CLASSES), FORMATS[number // len(CLASSES) % len(FORMATS)]
        path = Path(folder, CLASSES[label], f"{number:06d}.{kind.lower()}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(label, random, kind, sides))


def spoil(folder, count, classes=CLASSES):
    """Adds `count` bad files, evenly over `poison.KINDS`; returns each one's reason by name."""
    reasons = {}
    kinds = list(poison.KINDS.items())
    for number in range(count):
        name, (make, reason) = kinds[number % len(kinds)]
        source = f"{classes[number % len(classes)]}/{name}-{number:06d}.jpg"
        path = Path(folder, source)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make(number))
        reasons[source] = reason.value
    return reasons


def write_folder(folder, good, bad):
    """`good` photographs and `bad` files among them; returns the reasons of the bad ones."""
    write_photos(folder, good)
    return spoil(folder, bad)
