"""`data.tfrecords`: TFRecord files of tf.Examples as a data set.

>>> files = {"train": "/data/no-such-*.tfrecord"}
>>> open_tfrecords(TfRecordsConfig(files=files, class_names=("daisy", "rose")))
Traceback (most recent call last):
...
components.errors.UserError: data.tfrecords.files.train: no file matches /data/no-such-*.tfrecord.
>>> splits = split_infos({"train": [60, 40]})
>>> config = TfRecordsConfig(files=files, class_names=("daisy", "rose"))
>>> data = TfRecordsData(config, splits, {"train": ("/data/a.tfrecord", "/data/b.tfrecord")})
>>> [(s.path, s.skip, s.take) for s in data.shards("train", [Run("train", 50, 70)])]
[('/data/a.tfrecord', 50, 10), ('/data/b.tfrecord', 0, 10)]
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from components.errors import UserError
from components.example_gen.config import TfRecordsConfig
from components.example_gen.sources.example_label import KINDS, kinds_of
from components.example_gen.sources.file_stat import size_and_time
from components.example_gen.sources.patterns import common_folder, matching
from components.example_gen.sources.shard import first_records, pieces
from components.example_gen.sources.slices import Run, mean_bytes, split_infos
from components.example_gen.sources.stored import parsed
from components.example_gen.sources.tfrecord_file import (
    DamagedError,
    count_records,
    is_gzip,
    size_bytes,
    tf_records,
)
from components.example_gen.sources.tfrecords_shard import ExamplesShard, single_valued
from components.storage import as_path, io_errors, is_uri

_FILES_AT_A_TIME = 8
_LOOKED_AT = 1000
"""Records to search for the image and the label; nearly always the first has both."""


@dataclass(frozen=True)
class TfRecordsData:
    """The `components.example_gen.sources.source.Data` of TFRecord files.

    Attributes:
      config: the `data.tfrecords` section.
      splits: tfds.core.SplitInfo by name, one shard per file.
      files: of each split, sorted.
    """

    config: TfRecordsConfig
    splits: Mapping[str, Any]
    files: Mapping[str, tuple[str, ...]]
    key: str = "data.tfrecords"
    image_shape: tuple[None, None] = (None, None)
    notes: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """`tfrecords/birds`, named after the folder of the files."""
        return f"tfrecords/{os.path.basename(self.data_dir)}"

    @property
    def data_dir(self) -> str:
        """The common folder of all files."""
        folders = {os.path.dirname(path) for files in self.files.values() for path in files}
        return folders.pop() if len(folders) == 1 else _common(folders)

    @property
    def class_names(self) -> tuple[str, ...]:
        """As configured."""
        return self.config.class_names

    @property
    def features(self) -> tuple[str, ...]:
        """Those of the first record, which represents all, and `label`."""
        runs = [Run(name, 0, 1) for name, info in self.splits.items() if info.num_examples]
        first = next(first_records(self.shards("", runs), 1), b"")
        return tuple(sorted({"label", *single_valued(first)}))

    def shards(self, split: str, runs: Sequence[Run]) -> list[ExamplesShard]:
        """A shard for each run of records in a file, several for a long one that is not packed."""
        found = [
            (path, skip, take)
            for run in runs
            for place in self._pieces(run)
            for path, skip, take in _cut(*place, record_bytes=mean_bytes(self.splits[run.split]))
        ]
        return [
            ExamplesShard(
                split=split,
                index=index,
                count=len(found),
                path=path,
                skip=skip,
                take=take,
                image_feature=self.config.image_feature,
                label_feature=self.config.label_feature,
                class_names=self.config.class_names,
                first_label=self.config.first_label,
            )
            for index, (path, skip, take) in enumerate(found)
        ]

    def fingerprint(self, runs: Sequence[Run]) -> str:
        """SHA-256 over the files' names, sizes and times, the records taken, and the section."""
        # `first_label` came later: at its default the fingerprint is as it was without it.
        same = {"files"} if self.config.first_label else {"files", "first_label"}
        digest = hashlib.sha256(self.config.model_dump_json(exclude=same).encode())
        for path, skip, take in itertools.chain.from_iterable(map(self._pieces, runs)):
            place = f"{os.path.basename(path)}\0{skip}:{take}"
            digest.update(os.fsencode(f"{place}\0{size_and_time(as_path(path))}\0"))
        return digest.hexdigest()

    def _pieces(self, run: Run) -> Iterator[tuple[str, int, int]]:
        """(file, records to skip, records to take) of a run."""
        start = 0
        for path, count in zip(
            self.files[run.split], self.splits[run.split].shard_lengths, strict=True
        ):
            begin, end = max(run.begin, start), min(run.end, start + count)
            if begin < end:
                yield path, begin - start, end - begin
            start += count


def _cut(path: str, skip: int, take: int, record_bytes: float) -> list[tuple[str, int, int]]:
    """(file, skip, take) of the shards of a run in one file."""
    found = [(path, *piece) for piece in pieces(skip, take, record_bytes)]
    # Of a packed file, what a shard passes over is unpacked too.
    return [(path, skip, take)] if len(found) > 1 and is_gzip(path) else found


def open_tfrecords(section: TfRecordsConfig) -> TfRecordsData:
    """Finds the configured files, and counts their records.

    Raises:
      UserError: a split has no files, a file is in two splits, cannot be read or is damaged, a
        class is named twice, or no record has the image or the label.
    """
    _check_names(section.class_names)
    files = {
        split: matching(pattern, f"data.tfrecords.files.{split}")
        for split, pattern in section.files.items()
    }
    _check_apart(files)
    flat = [(split, path) for split, paths in files.items() for path in paths]
    with ThreadPoolExecutor(_FILES_AT_A_TIME) as pool:
        sizes = dict(zip(flat, pool.map(_size, flat), strict=True))
    splits = split_infos(
        {split: [sizes[split, path][0] for path in paths] for split, paths in files.items()},
        {split: sum(sizes[split, path][1] for path in paths) for split, paths in files.items()},
    )
    data = TfRecordsData(section, splits, files)
    _check_features(data)
    return data


def _check_apart(files: Mapping[str, Sequence[str]]) -> None:
    """Checks that no file is in two splits, which would then share its records."""
    split_of: dict[str, str] = {}
    for split, paths in files.items():
        for path in paths:
            real = path if is_uri(path) else os.path.realpath(path)
            other = split_of.setdefault(real, split)
            if other != split:
                raise UserError(
                    f"data.tfrecords.files: {path} is in both {other} and {split}. Change the "
                    "patterns so that no file is in two splits."
                )


def _check_names(names: Sequence[str]) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise UserError(f"data.tfrecords.class_names: {twice[0]!r} is given twice.")


def _check_features(data: TfRecordsData) -> None:
    """Checks that the configured features exist, with kinds that can be an image and a label."""
    wanted = {
        "image_feature": (data.config.image_feature, {"bytes_list"}),
        "label_feature": (data.config.label_feature, set(KINDS)),
    }
    found: dict[str, set[str]] = {}
    read = 0
    for record in _first_stored(data):
        read += 1
        example = parsed(record)
        for name, kind in kinds_of(example.features.feature) if example else ():
            found.setdefault(name, set()).add(kind)
        wanted = {key: of for key, of in wanted.items() if not of[1] & found.get(of[0], set())}
        if not wanted:
            return
    if not found:
        return  # No records, or none that is a tf.Example: the screen reports it.
    key, (name, _) = next(iter(wanted.items()))
    what = "image" if key == "image_feature" else "label"
    there = ", ".join(
        f"{other} ({' or '.join(sorted(KINDS[kind] for kind in of_other))})"
        for other, of_other in sorted(found.items())
    )
    raise UserError(
        f"data.tfrecords.{key}: {name!r} holds no {what} in the first {read:,} records of "
        f"{data.data_dir}; their features are: {there}. An image is bytes; a label is int64, float "
        f"or bytes. Name the right one: --set data.tfrecords.{key}=..."
    )


def _first_stored(data: TfRecordsData) -> Iterator[bytes]:
    """The first records of every file as stored, `_LOOKED_AT` in total."""
    paths = list(itertools.chain.from_iterable(data.files.values()))
    each = max(1, _LOOKED_AT // max(1, len(paths)))
    return itertools.islice(
        itertools.chain.from_iterable(itertools.islice(tf_records(path), each) for path in paths),
        _LOOKED_AT,
    )


def _size(place: tuple[str, str]) -> tuple[int, int]:
    """The records and bytes of a file."""
    split, path = place
    key = f"data.tfrecords.files.{split}: {path}"
    # Reading a pipe would block for ever.
    if not is_uri(path) and os.path.exists(path) and not os.path.isfile(path):
        raise UserError(f"{key} is not a regular file.")
    try:
        return count_records(path), size_bytes(path)
    except DamagedError as error:
        raise UserError(
            f"{key} is damaged, or not a TFRecord file (plain or gzip): {error}. Write it again."
        ) from error
    except io_errors() as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{key} cannot be read: {reason}.") from error


def _common(folders: set[str]) -> str:
    first = min(folders)
    if len({is_uri(folder) for folder in folders}) > 1:
        raise UserError(
            f"data.tfrecords.files: {first} and {max(folders)} are in two kinds of storage. "
            "Copy all files to one of them."
        )
    return common_folder(folders)
