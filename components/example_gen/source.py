"""The data set behind the `data` section: prepared, checked, and identified by a fingerprint."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import os
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from components.errors import UserError
from components.example_gen.config import DataConfig
from components.example_gen.few_shot import check_disjoint
from components.example_gen.image_size import median_size
from components.example_gen.records import first_records
from components.example_gen.shard import Shard
from components.progress import report
from components.storage import AnyPath, as_path

_CONNECT_TIMEOUT_S = 4
_LOOKED_AT = 64
"""Training images whose headers tell how large they are."""


@dataclass(frozen=True)
class Source:
    """A prepared data set.

    Attributes:
      full_name: tfds's name with config and version, `tf_flowers/3.0.1`.
      data_dir: the folder that holds its files.
      class_names: the label's names in the order of their numbers.
      features: names of the features that are one value each, `label` among them.
      shards: what to read for every split; `count` counts the split's shards.
      fingerprint: changes whenever the stored files, the slices or the draw of examples do.
      split_fingerprints: the same of each split alone.
      image_shape: (height, width) in pixels of every image; None where the data set does not say.
      examples_per_class: how many the train split is cut down to; None is all.
    """

    full_name: str
    data_dir: str
    class_names: tuple[str, ...]
    features: tuple[str, ...]
    shards: tuple[Shard, ...]
    fingerprint: str
    split_fingerprints: dict[str, str]
    image_shape: tuple[int | None, int | None] = (None, None)
    examples_per_class: int | None = None

    def num_examples(self, split: str) -> int:
        """Records of the split, after the draw."""
        if split == "train" and self.examples_per_class is not None:
            return self.examples_per_class * len(self.class_names)
        return sum(shard.take for shard in self.shards if shard.split == split)

    @functools.cached_property
    def image_size(self) -> tuple[int, int]:
        """(height, width) in pixels that the training images have.

        As the data set says; where it does not, the median of each over the first 64 images of the
        train slice, before any draw. Their headers are read when it is first asked for.

        Raises:
          UserError: none of them is an image that Pillow can read.
        """
        height, width = self.image_shape
        if height is not None and width is not None:
            return height, width
        train = [shard for shard in self.shards if shard.split == "train"]
        size = median_size(first_records(train, _LOOKED_AT))
        if size is None:
            raise UserError(
                f"data.name {self.full_name}: none of the first {_LOOKED_AT} training images in "
                f"{self.data_dir} can be read by Pillow, so that their size is not known. Prepare "
                "the data set again, or take another."
            )
        return size


def open_source(config: DataConfig) -> Source:
    """Finds the data set, prepares it through tfds where it is not there, and reads its splits.

    Raises:
      UserError: there is no such data set, it cannot be prepared here, it holds no images with
        classes, or a slice is wrong, empty, or overlaps itself where examples are drawn from it.
    """
    import tensorflow_datasets as tfds

    from components.example_gen import digits  # noqa: F401  # registers the shipped builder

    tfds.disable_progress_bar()
    builder = _find_builder(tfds, config)
    if not builder.is_prepared():
        _prepare(tfds, builder)
    class_names = _class_names(tfds, builder)
    slices = config.splits.slices()
    shards = {split: _shards(builder, split, slice_) for split, slice_ in slices.items()}
    if config.examples_per_class is not None:
        check_disjoint(shards["train"], slices["train"])
    # Each over its own files: what is compared on the eval split stays comparable.
    fingerprints = {
        split: _digest(slice_, _fingerprint(builder, shards[split]), *_draw(config, split))
        for split, slice_ in slices.items()
    }
    return Source(
        full_name=builder.info.full_name,
        data_dir=str(builder.data_dir),
        class_names=class_names,
        features=tuple(
            name for name, feature in builder.info.features.items() if feature.shape == ()
        ),
        shards=tuple(itertools.chain.from_iterable(shards.values())),
        fingerprint=_digest(fingerprints),
        split_fingerprints=fingerprints,
        image_shape=builder.info.features["image"].shape[:2],
        examples_per_class=config.examples_per_class,
    )


def _find_builder(tfds: Any, config: DataConfig) -> Any:
    keywords = {"version": config.version, "data_dir": config.data_dir}
    given = {key: value for key, value in keywords.items() if value is not None}
    try:
        return tfds.builder(config.name, **given)
    except tfds.core.DatasetNotFoundError as error:
        wanted = config.name + (f" version {config.version}" if config.version else "")
        raise UserError(
            f"data.name: tfds has no data set {wanted}{_similar(tfds, config)}."
        ) from error
    except Exception as error:  # tfds raises many types for a bad config or version.
        raise UserError(f"data.name {config.name}: {_first_lines(error)}") from error


def _similar(tfds: Any, config: DataConfig) -> str:
    import difflib

    close = difflib.get_close_matches(config.name, tfds.list_builders(), n=3)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def _prepare(tfds: Any, builder: Any) -> None:
    """Downloads and writes the data set; nothing is left of it where that fails."""
    unreachable = _unreachable_hosts(tfds, builder)
    if unreachable:
        raise UserError(
            f"{builder.info.full_name} is not prepared in {builder.data_dir}, and "
            f"{', '.join(unreachable)} cannot be reached to download it. Prepare it on a machine "
            f"with network (`tfds build {builder.name}`) and copy the folder there, or set "
            "data.data_dir to where it is."
        )
    text = f"Preparing {builder.info.full_name} in {builder.data_dir}"
    report(text, event="phase", text=text)
    try:
        builder.download_and_prepare()
    except Exception as error:
        raise UserError(
            f"{builder.info.full_name} could not be prepared in {builder.data_dir}: "
            f"{_first_lines(error)}"
        ) from error


def _unreachable_hosts(tfds: Any, builder: Any) -> list[str]:
    """Hosts that a download would wait for in vain; tfds itself retries for minutes."""
    if any(
        os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
    ):
        return []
    downloads = as_path(builder._data_dir_root) / "downloads"
    missing = {
        (url.hostname, url.port or (443 if url.scheme == "https" else 80))
        for link, info in (builder.url_infos or {}).items()
        if (url := urlsplit(link)).scheme in ("http", "https") and url.hostname
        if not _is_downloaded(tfds, downloads, link, info)
    }
    with ThreadPoolExecutor(max_workers=16) as pool:
        reached = pool.map(_reachable, missing)
        return sorted(host for (host, _), ok in zip(missing, reached, strict=True) if not ok)


def _is_downloaded(tfds: Any, downloads: AnyPath, link: str, info: Any) -> bool:
    name = tfds.core.download.resource.get_dl_fname(link, info.checksum)
    return (downloads / name).exists()


def _reachable(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, timeout=_CONNECT_TIMEOUT_S):
            return True
    except OSError:
        return False


def _class_names(tfds: Any, builder: Any) -> tuple[str, ...]:
    features = builder.info.features
    has = features.keys() if isinstance(features, tfds.features.FeaturesDict) else ()
    for key, kind in (("image", tfds.features.Image), ("label", tfds.features.ClassLabel)):
        if key not in has or not isinstance(features[key], kind):
            raise UserError(
                f"data.name {builder.info.full_name}: an image classification data set has a "
                f"feature {key!r} of type {kind.__name__}; this one has {', '.join(has) or 'none'}."
            )
    return tuple(features["label"].names)


def _shards(builder: Any, split: str, slice_: str) -> list[Shard]:
    key = f"data.splits.{split}"
    try:
        info = builder.info.splits[slice_]
        instructions = info.file_instructions
    except (ValueError, KeyError, AssertionError) as error:
        known = ", ".join(sorted(builder.info.splits))
        raise UserError(
            f"{key} {slice_!r}: {_first_lines(error, 1)} {builder.info.full_name} has: {known}."
        ) from error
    if not instructions:
        raise UserError(f"{key} {slice_!r} selects no record of {builder.info.full_name}.")
    file_format = builder.info.file_format.value
    return [
        Shard(
            split, index, len(instructions), str(item.filename), item.skip, item.take, file_format
        )
        for index, item in enumerate(instructions)
    ]


def _draw(config: DataConfig, split: str) -> list[int]:
    """What decides which examples are drawn from a split; nothing where all are taken."""
    if split != "train" or config.examples_per_class is None:
        return []
    return [config.examples_per_class, config.examples_seed]


def _digest(*values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _fingerprint(builder: Any, shards: Sequence[Shard]) -> str:
    """SHA-256 over what is stored: metadata by content, record files by name, size and time.

    Record files are not read: they may be terabytes. Data written anew in place differs in time.
    """
    digest = hashlib.sha256()
    digest.update(builder.info.full_name.encode())
    for name in ("dataset_info.json", "features.json", "label.labels.txt"):
        path = builder.data_path / name
        digest.update(path.read_bytes() if path.exists() else b"-")
    for path_text in sorted({shard.path for shard in shards}):
        path = builder.data_path / os.path.basename(path_text)
        if not path.exists():
            raise UserError(
                f"{builder.info.full_name}: the file {path} is missing although the data set says "
                f"that it is prepared. Delete {builder.data_dir} and run again."
            )
        digest.update(f"{path.name}:{_size_and_time(path)}".encode())
    return digest.hexdigest()


def _size_and_time(path: Any) -> str:
    """Length in bytes and time of change, to the nanosecond where the file system is local."""
    try:
        local = os.stat(path)
        return f"{local.st_size}:{local.st_mtime_ns}"
    except OSError:
        remote = path.stat()
        return f"{remote.length}:{remote.mtime}"


def _first_lines(error: Exception, lines: int = 4) -> str:
    text = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    shown = " ".join(text[:lines]) or type(error).__name__
    return shown if shown.endswith((".", "!", "?")) else shown + "."
