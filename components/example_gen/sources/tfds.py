"""`data.name`: a data set of tfds, prepared if needed.

>>> import contextlib
>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(None):
...     data = open_tfds(DataConfig(name="digits", data_dir=folder))
>>> data.class_names[:3], data.splits["train"].num_examples
(('0', '1', '2'), 1797)
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from components.errors import UserError
from components.example_gen.config import DataConfig
from components.example_gen.sources.file_stat import records_digest, size_and_time
from components.example_gen.sources.shard import pieces
from components.example_gen.sources.slices import Run, first_lines, mean_bytes
from components.example_gen.sources.tfds_features import check_image, class_names
from components.example_gen.sources.tfds_shard import TfdsShard
from components.progress import report
from components.storage import AnyPath, as_path, io_errors, try_writing

_CONNECT_TIMEOUT_S = 4
_PARQUET = "parquet"
_READ_RECORDS = 5_000
"""Most records that are read for a fingerprint."""


@dataclass(frozen=True)
class TfdsData:
    """The `components.example_gen.sources.source.Data` of a tfds builder.

    Attributes:
      builder: of a data set that is prepared.
      class_names: the label's names in the order of their numbers.
    """

    builder: Any
    class_names: tuple[str, ...]
    key: str = "data.name"
    notes: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """The name that tfds gives it, with config and version, `tf_flowers/3.0.1`."""
        return str(self.builder.info.full_name)

    @property
    def data_dir(self) -> str:
        """The folder of the version."""
        return str(self.builder.data_dir)

    @property
    def splits(self) -> Mapping[str, Any]:
        """The size of each split."""
        return self.builder.info.splits

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features that are one value each."""
        features = self.builder.info.features
        return tuple(name for name, feature in features.items() if feature.shape == ())

    @property
    def image_shape(self) -> tuple[int | None, int | None]:
        """(height, width) in pixels, as far as the data set has them."""
        height, width, _ = self.builder.info.features["image"].shape
        return height, width

    def shards(self, split: str, runs: Sequence[Run]) -> list[TfdsShard]:
        """A shard for each run of records in a file, several for a long one."""
        file_format = self.builder.info.file_format.value
        found: list[tuple[str, int, int]] = []
        for run in runs:
            record_bytes = mean_bytes(self.splits[run.split])
            for item in self._instructions([run]):
                if file_format == _PARQUET:
                    _check_parquet(self.full_name, item)
                cut = pieces(item.skip, item.take, record_bytes)
                found += [(str(item.filename), skip, take) for skip, take in cut]
        return [
            TfdsShard(split, index, len(found), path, skip, take, file_format=file_format)
            for index, (path, skip, take) in enumerate(found)
        ]

    def fingerprint(self, runs: Sequence[Run]) -> str:
        """SHA-256 over the classes and the records: few records count by their content.

        A small data set is prepared again in every environment, and tfds writes the features of a
        record in another order each time: neither changes the data. Larger files are not
        read, they may be terabytes: their names, sizes and times are taken.
        """
        named = self.builder.data_path / "label.labels.txt"
        labels = named.read_text(encoding="utf-8") if named.exists() else ""
        known = [self.full_name, self.class_names, labels]
        digest = hashlib.sha256(json.dumps(known).encode())
        instructions = self._instructions(runs)
        paths = [as_path(str(item.filename)) for item in instructions]
        for path in paths:
            if not path.exists():
                raise UserError(
                    f"{self.full_name}: the file {path} is missing although the data set says "
                    f"that it is prepared. Delete {self.builder.data_dir} and run again."
                )
        few = sum(item.take for item in instructions) <= _READ_RECORDS
        for item, path in zip(instructions, paths, strict=True):
            content = records_digest(path, item.skip, item.take) if few else None
            place = f"{path.name}:{item.skip}:{item.take}"
            digest.update(f"{place}:{content or size_and_time(path)}".encode())
        return digest.hexdigest()

    def _instructions(self, runs: Sequence[Run]) -> list[Any]:
        import tensorflow_datasets as tfds

        # Absolute and forward: tfds reads a slice that ends before it begins as all up to the end.
        slices = (
            tfds.core.ReadInstruction(run.split, run.begin, run.end, unit="abs") for run in runs
        )
        return [item for part in slices for item in self.splits[part].file_instructions]


def open_tfds(config: DataConfig) -> TfdsData:
    """Finds the data set, and has tfds prepare it if needed.

    Raises:
      UserError: there is no such data set, it cannot be prepared here, or it holds no images with
        classes.
    """
    builder = prepared_builder(config)
    return TfdsData(builder, class_names(builder.info.features, builder.info.full_name))


def open_unlabelled(config: DataConfig) -> TfdsData:
    """`open_tfds` for the images alone: without classes, and any label will do.

    Raises:
      UserError: there is no such data set, it cannot be prepared here, or it holds no images.
    """
    builder = prepared_builder(config)
    check_image(builder.info.features, builder.info.full_name)
    return TfdsData(builder, ())


def prepared_builder(config: DataConfig) -> Any:
    """The tfds builder of a data set, prepared."""
    import tensorflow_datasets as tfds

    from components.example_gen.sources import digits as _digits  # noqa: F401

    tfds.disable_progress_bar()
    builder = _find_builder(tfds, config)
    if not builder.is_prepared():
        _prepare(tfds, builder)
    return builder


def _find_builder(tfds: Any, config: DataConfig) -> Any:
    name = str(config.name)
    keywords = {"version": config.version, "data_dir": config.data_dir}
    given = {key: value for key, value in keywords.items() if value is not None}
    # For a config, a version, files or missing packages; `name/key=value` is passed as keywords.
    mistakes = io_errors(
        AssertionError, ImportError, ValueError, *([TypeError] if "=" in name else [])
    )
    try:
        return tfds.builder(name, **given)
    except tfds.core.DatasetNotFoundError as error:
        wanted = name + (f" version {config.version}" if config.version else "")
        raise UserError(
            f"data.name: tfds has no data set {wanted}{_similar(tfds, config)}."
        ) from error
    except mistakes as error:
        raise UserError(f"data.name {config.name}: {first_lines(error)}") from error


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
    _check_writable(builder)
    text = f"Preparing {builder.info.full_name} in {builder.data_dir}"
    report(text, event="phase", text=text)
    try:
        builder.download_and_prepare()
    except _failures(tfds) as error:
        raise UserError(
            f"{builder.info.full_name} could not be prepared in {builder.data_dir}: "
            f"{first_lines(error)}"
        ) from error


def _failures(tfds: Any) -> tuple[type[Exception], ...]:
    """What tfds raises for a network, an archive, a disk, or files to be downloaded by hand.

    A TypeError, say, is a mistake in a builder's code, such as our own digits.
    """
    download = tfds.core.download
    return io_errors(
        AssertionError,
        ImportError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        download.download_manager.NonMatchingChecksumError,
        download.extractor.ExtractError,
        download.extractor.UnsafeArchiveError,
        download.util.DownloadError,
        tfds.core.shuffle.DuplicatedKeysError,
    )


def _check_writable(builder: Any) -> None:
    """Before a download of hours: the default is in the home folder, which a service may lack."""
    root = as_path(builder._data_dir_root)
    try:
        if str(root).startswith("~"):
            raise FileNotFoundError(2, "There is no home folder")
        try_writing(root)
    except io_errors() as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"{builder.info.full_name} is not prepared, and cannot be in {root}: {reason}. Give a "
            "folder that can be written as data.data_dir, or in the variable TFDS_DATA_DIR."
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


def _check_parquet(full_name: str, instruction: Any) -> None:
    """Checks that a Parquet file has as many records as the data set says.

    tfds 4.9.10 writes 500 of 1,797 records: its `_batched` skips more from batch to batch.
    """
    import pyarrow.parquet as pq

    path, said = as_path(str(instruction.filename)), instruction.examples_in_shard
    if not path.exists():
        return
    with path.open("rb") as stream:
        held = pq.ParquetFile(stream).metadata.num_rows
    if held != said:
        raise UserError(
            f"{full_name}: {path} holds {held:,} records, and the data set says {said:,}. tfds "
            "loses records when it writes Parquet: prepare it with file_format tfrecord or "
            "array_record."
        )
