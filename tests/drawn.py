"""Drawn photographs, and the real tf_flowers builder prepared from them instead of a download."""

import tarfile
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image, ImageDraw

FLOWERS = ("dandelion", "daisy", "tulips", "sunflowers", "roses")
"""tf_flowers's classes in the order of its labels."""

_PETALS = ("#f4d03f", "#fdfefe", "#af7ac5", "#e67e22", "#c0392b")


def draw_flower(path: Path, label: int, random: np.random.Generator) -> None:
    """Writes one JPEG of mixed size: a ring of petals in the class's number and colour."""
    width, height = (int(side) for side in random.integers(120, 480, 2))
    image = Image.new("RGB", (width, height), "#3a7d44")
    pen = ImageDraw.Draw(image)
    radius = min(width, height) / 4
    x, y = width / 2 + random.normal(0, 8), height / 2 + random.normal(0, 8)
    for angle in np.linspace(0, 2 * np.pi, 4 + 2 * label, endpoint=False):
        px, py, r = x + radius * np.cos(angle), y + radius * np.sin(angle), radius / 2
        pen.ellipse((px - r, py - r, px + r, py + r), fill=_PETALS[label])
    pen.ellipse((x - r, y - r, x + r, y + r), fill="#5d4037")
    image.save(path, "JPEG", quality=85)


def prepare_flowers(data_dir: Path, count: int = 200, seed: int = 0):
    """Prepares tf_flowers 3.0.1 in `data_dir` through tfds, from `count` drawn JPEGs."""
    import tensorflow_datasets as tfds
    from etils import epath

    random = np.random.default_rng(seed)
    photos = data_dir / "drawn" / "flower_photos"
    for index in range(count):
        label = index % len(FLOWERS)
        folder = photos / FLOWERS[label]
        folder.mkdir(parents=True, exist_ok=True)
        draw_flower(folder / f"{index:04d}.jpg", label, random)
    archive = photos.parent / "flower_photos.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(photos, photos.name)
    builder = tfds.builder("tf_flowers", data_dir=str(data_dir))
    manager = tfds.download.DownloadManager
    with mock.patch.object(manager, "download", return_value=epath.Path(archive)):
        builder.download_and_prepare()
    return builder
