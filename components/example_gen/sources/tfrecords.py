"""`data.tfrecords`: TFRecord files of tf.Examples as a data set."""

from __future__ import annotations

import glob
import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from components.errors import UserError
from components.example_gen.config import TfRecordsConfig
from components.example_gen.sources.example_label import KINDS, kinds_of
from components.example_gen.sources.file_stat import size_and_time
from components.example_gen.sources.shard import first_records
from components.example_gen.sources.slices import Run, split_infos
from components.example_gen.sources.stored import parsed
from components.example_gen.sources.tfrecord_file import DamagedError, count_records, tf_records
from components.example_gen.sources.tfrecords_shard import ExamplesShard, single_valued
from components.storage import as_path, io_errors, is_uri

_FILES_AT_A_TIME = 8
_WILD = set("*?[")
_LOOKED_AT = 1000
"""Records that are searched for the image and the label; nearly always the first has both."""


@dataclass(frozen=True)
class TfRecordsData:
    """The `components.example_gen.sources.source.Data` of TFRecord files.

    Attributes:
      config: the `data.tfrecords` section.
      splits: tfds.core.SplitInfo by name, a shard a file.
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
        """`tfrecords/birds`, after the folder that holds the files."""
        return f"tfrecords/{os.path.basename(self.data_dir)}"

    @property
    def data_dir(self) -> str:
        """The folder that all files are below."""
        folders = {os.path.dirname(path) for files in self.files.values() for path in files}
        return folders.pop() if len(folders) == 1 else _common(folders)

    @property
    def class_names(self) -> tuple[str, ...]:
        """As the configuration gives them."""
        return self.config.class_names

    @property
    def features(self) -> tuple[str, ...]:
        """Of the first record, and `label`: it tells for all."""
        runs = [Run(name, 0, 1) for name, info in self.splits.items() if info.num_examples]
        first = next(first_records(self.shards("", runs), 1), b"")
        return tuple(sorted({"label", *single_valued(first)}))

    def shards(self, split: str, runs: Sequence[Run]) -> list[ExamplesShard]:
        """A shard for each run of records in a file."""
        pieces = list(itertools.chain.from_iterable(map(self._pieces, runs)))
        return [
            ExamplesShard(
                split=split,
                index=index,
                count=len(pieces),
                path=path,
                skip=skip,
                take=take,
                image_feature=self.config.image_feature,
                label_feature=self.config.label_feature,
                class_names=self.config.class_names,
                first_label=self.config.first_label,
            )
            for index, (path, skip, take) in enumerate(pieces)
        ]

    def fingerprint(self, runs: Sequence[Run]) -> str:
        """Of what the slice takes of which files by name, size and time, and how it is read."""
        # A key that is new, at its default, makes known data no other data.
        same = {"files"} if self.config.first_label else {"files", "first_label"}
        digest = hashlib.sha256(self.config.model_dump_json(exclude=same).encode())
        for path, skip, take in itertools.chain.from_iterable(map(self._pieces, runs)):
            place = f"{os.path.basename(path)}\0{skip}:{take}"
            digest.update(os.fsencode(f"{place}\0{size_and_time(as_path(path))}\0"))
        return digest.hexdigest()

    def _pieces(self, run: Run) -> Iterator[tuple[str, int, int]]:
        """(file, records before, records) of a run."""
        start = 0
        for path, count in zip(
            self.files[run.split], self.splits[run.split].shard_lengths, strict=True
        ):
            begin, end = max(run.begin, start), min(run.end, start + count)
            if begin < end:
                yield path, begin - start, end - begin
            start += count


def open_tfrecords(section: TfRecordsConfig) -> TfRecordsData:
    """Finds the files that the configuration names, and counts their records.

    Raises:
      UserError: there are none for a split, one is of two splits, cannot be read or is damaged, a
        class is named twice, or no record has the image or the label.
    """
    _check_names(section.class_names)
    files = {split: _find(split, pattern) for split, pattern in section.files.items()}
    _check_apart(files)
    flat = [(split, path) for split, paths in files.items() for path in paths]
    with ThreadPoolExecutor(_FILES_AT_A_TIME) as pool:
        counts = dict(zip(flat, pool.map(_count, flat), strict=True))
    splits = split_infos(
        {split: [counts[split, path] for path in paths] for split, paths in files.items()}
    )
    data = TfRecordsData(section, splits, files)
    _check_features(data)
    return data


def _find(split: str, pattern: str) -> tuple[str, ...]:
    """The files of a pattern, sorted."""
    if is_uri(pattern):
        parts = PurePosixPath(pattern.partition("://")[2]).parts
        fixed = list(itertools.takewhile(lambda part: not _WILD & set(part), parts[:-1]))
        folder = as_path(f"{pattern.partition('://')[0]}://{'/'.join(fixed)}")
        try:
            found = [str(path) for path in folder.glob("/".join(parts[len(fixed) :]))]
        except io_errors() as error:
            raise UserError(f"data.tfrecords.files.{split} {pattern}: {error}.") from error
    else:
        named = glob.glob(pattern, recursive=True) or [pattern]
        found = [path for path in named if os.path.lexists(path) and not os.path.isdir(path)]
    if not found:
        raise UserError(f"data.tfrecords.files.{split}: no file is called {pattern}.")
    return tuple(sorted(found))


def _check_apart(files: Mapping[str, Sequence[str]]) -> None:
    """No file is of two splits: slices of them would share its records."""
    split_of: dict[str, str] = {}
    for split, paths in files.items():
        for path in paths:
            real = path if is_uri(path) else os.path.realpath(path)
            other = split_of.setdefault(real, split)
            if other != split:
                raise UserError(
                    f"data.tfrecords.files: {path} is of both {other} and {split}. Write the "
                    "patterns so that no file is of two."
                )


def _check_names(names: Sequence[str]) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise UserError(f"data.tfrecords.class_names: {twice[0]!r} is given twice.")


def _check_features(data: TfRecordsData) -> None:
    """Holds that the features that hold image and label are there, of a kind that can be one."""
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
        return  # No record, or none that is a tf.Example: the screen says so.
    key, (name, _) = next(iter(wanted.items()))
    what = "image" if key == "image_feature" else "label"
    there = ", ".join(
        f"{other} ({' or '.join(sorted(KINDS[kind] for kind in of_other))})"
        for other, of_other in sorted(found.items())
    )
    raise UserError(
        f"data.tfrecords.{key} {name!r} holds no {what} in the first {read:,} records of "
        f"{data.data_dir}; their features are: {there}. An image is bytes; a label is int64, float "
        f"or bytes. Name the one that is: --set data.tfrecords.{key}=..."
    )


def _first_stored(data: TfRecordsData) -> Iterator[bytes]:
    """The first records of every file as they are stored, of all files together so many."""
    paths = list(itertools.chain.from_iterable(data.files.values()))
    each = max(1, _LOOKED_AT // max(1, len(paths)))
    return itertools.islice(
        itertools.chain.from_iterable(itertools.islice(tf_records(path), each) for path in paths),
        _LOOKED_AT,
    )


def _count(place: tuple[str, str]) -> int:
    split, path = place
    key = f"data.tfrecords.files.{split}: {path}"
    # A pipe would be waited for without end.
    if not is_uri(path) and os.path.exists(path) and not os.path.isfile(path):
        raise UserError(f"{key} is no regular file.")
    try:
        return count_records(path)
    except DamagedError as error:
        raise UserError(
            f"{key} is damaged, or no TFRecord file (plain or gzip): {error}. Write it again."
        ) from error
    except io_errors() as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{key} cannot be read: {reason}.") from error


def _common(folders: set[str]) -> str:
    first = min(folders)
    if len({is_uri(folder) for folder in folders}) > 1:
        raise UserError(
            f"data.tfrecords.files: {first} and {max(folders)} are in two kinds of storage; copy "
            "one to where the other is."
        )
    if not is_uri(first):
        return os.path.commonpath(folders)
    scheme, _, _ = first.partition("://")
    return f"{scheme}://{os.path.commonpath([f.partition('://')[2] for f in folders])}"
