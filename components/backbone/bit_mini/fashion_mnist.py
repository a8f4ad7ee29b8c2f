"""tfds's fashion_mnist, prepared offline from the original files in Debian's package.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     fashion_mnist(folder, files=Path("/no/such/folder"))
Traceback (most recent call last):
...
FileNotFoundError: [Errno 2] No such file or directory: '/no/such/folder/train-images-idx3-...
"""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import tensorflow_datasets as tfds

DEBIAN_FILES = Path("/usr/share/datasets/fashion-mnist")
"""Where the package dataset-fashion-mnist puts the four gzip files (Xiao et al. 2017, MIT)."""


def fashion_mnist(data_dir: str | None = None, files: Path = DEBIAN_FILES) -> Any:
    """Prepares the data set and returns its builder; only tfds's download is replaced.

    Args:
      data_dir: the folder in which tfds stores data sets; None takes its default.
      files: the folder with the gzip files.

    Raises:
      FileNotFoundError: the data set is not prepared, and its files are not in `files`.
    """
    builder = tfds.builder("fashion_mnist", data_dir=data_dir)
    if builder.is_prepared():
        return builder
    with tempfile.TemporaryDirectory() as folder:

        def extract(_: Any, urls: dict[str, str]) -> dict[str, str]:
            extracted = {}
            for key, url in urls.items():
                name = url.rsplit("/", 1)[-1]
                target = Path(folder, name.removesuffix(".gz"))
                target.write_bytes(gzip.decompress((files / name).read_bytes()))
                extracted[key] = str(target)
            return extracted

        manager = tfds.download.DownloadManager
        with mock.patch.object(manager, "download_and_extract", extract):
            builder.download_and_prepare()
    return builder
