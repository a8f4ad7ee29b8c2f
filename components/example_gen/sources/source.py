"""Opens the data of the `data` section, cuts them into splits and takes their fingerprint.

>>> import tempfile
>>> folder = tempfile.TemporaryDirectory()
>>> source = open_source(DataConfig(name="digits", data_dir=folder.name))
Downloading and preparing dataset ...
>>> source.full_name, source.slices
('digits/1.0.0', {'train': 'train[:85%]', 'eval': 'train[85%:]'})
>>> source.num_examples("train"), source.image_size
(1527, (8, 8))
>>> folder.cleanup()
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from components.errors import UserError
from components.example_gen.config import DataConfig
from components.example_gen.screen.header import median_size
from components.example_gen.sources.folder import open_folder
from components.example_gen.sources.own_splits import OwnSplits, own_slices
from components.example_gen.sources.shard import Shard, first_records
from components.example_gen.sources.slices import Run, check_once, settle
from components.example_gen.sources.stored import NO_LABEL, first_label
from components.example_gen.sources.table import open_table
from components.example_gen.sources.tfds import open_tfds
from components.example_gen.sources.tfrecords import open_tfrecords
from components.example_gen.sources.unused import unused

_LOOKED_AT = 64
"""Training images whose headers are read for their size."""
_LABELS_LOOKED_AT = 16
"""Records read to see whether a split has labels, which are -1 in some of tfds's test splits."""


@dataclass(frozen=True)
class Source:
    """An opened data set and its splits.

    Attributes:
      full_name: `tf_flowers/3.0.1`, tfds's name with config and version; `folder/my_flowers`,
        `table/my_flowers/labels.csv` and `tfrecords/my_flowers`, by the folder's name.
      data_dir: the folder that holds its files.
      class_names: the label's names in the order of their numbers.
      features: names of the features with a single value, including `label`.
      slices: by split, in tfds's syntax: `data.splits`, or the source's own splits.
      shards: what to read for every split; `count` is the number of the split's shards.
      fingerprint: changes whenever the stored files, the slices, the limits of the screen or the
        draw of examples change.
      split_fingerprints: the fingerprint of each split alone.
      image_shape: (height, width) in pixels of every image; None if the metadata do not say.
      examples_per_class: examples per class of the train split; None takes all.
      key: the configuration key that names the source.
      notes: sentences about data that are not used, and about guesses.
    """

    full_name: str
    data_dir: str
    class_names: tuple[str, ...]
    features: tuple[str, ...]
    slices: dict[str, str]
    shards: tuple[Shard, ...]
    fingerprint: str
    split_fingerprints: dict[str, str]
    image_shape: tuple[int | None, int | None] = (None, None)
    examples_per_class: int | None = None
    key: str = "data.name"
    notes: tuple[str, ...] = ()

    def num_examples(self, split: str) -> int:
        """Records of the split, after the draw and before the screen."""
        if split == "train" and self.examples_per_class is not None:
            return self.examples_per_class * len(self.class_names)
        return sum(shard.take for shard in self.shards if shard.split == split)

    @functools.cached_property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the training images in pixels.

        From the data set's metadata; otherwise the median height and width of the first 64 images
        of the train slice, before any draw. Their headers are read on first access.

        Raises:
          UserError: none of these images has a readable header.
        """
        height, width = self.image_shape
        if height is not None and width is not None:
            return height, width
        train = [shard for shard in self.shards if shard.split == "train"]
        size = median_size(first_records(train, _LOOKED_AT))
        if size is None:
            raise UserError(
                f"{self.key} {self.full_name}: none of the first {_LOOKED_AT} training images in "
                f"{self.data_dir} has a readable image header, so their size is unknown. Set "
                "preprocessing.resize and preprocessing.crop, or check the data."
            )
        return size


class Data(Protocol):
    """The interface of each kind of source: attributes as in `Source`, and its splits."""

    @property
    def full_name(self) -> str: ...  # noqa: D102
    @property
    def data_dir(self) -> str: ...  # noqa: D102
    @property
    def class_names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def features(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def image_shape(self) -> tuple[int | None, int | None]: ...  # noqa: D102
    @property
    def key(self) -> str: ...  # noqa: D102

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about data that are not read."""

    @property
    def splits(self) -> Mapping[str, Any]:
        """tfds.core.SplitInfo of the source's own splits, by name."""

    def shards(self, split: str, runs: Sequence[Run]) -> Sequence[Shard]:
        """What to read for one of our splits."""

    def fingerprint(self, runs: Sequence[Run]) -> str:
        """Changes whenever the stored records change; no record is read for it."""


def open_source(config: DataConfig) -> Source:
    """Finds the data, lets tfds prepare them if needed, and resolves the splits.

    Raises:
      UserError: the data are missing, cannot be read or prepared, or hold no images with classes;
        or a slice is invalid, empty, overlaps another, or overlaps itself and is drawn from.
    """
    data = _open(config)
    counts = {name: int(info.num_examples) for name, info in data.splits.items()}
    if config.splits is None:
        slices, note = _own(data, counts)
    else:
        slices, note = config.splits.slices(), ""
    runs = settle(slices, data.splits, data.full_name)
    if config.examples_per_class is not None:
        check_once(slices["train"], runs["train"])
    screen = config.screen.model_dump(mode="json")
    # Each over its own files: new training data must not change the eval split's fingerprint.
    fingerprints = {
        split: _digest(slice_, data.fingerprint(runs[split]), screen, *_draw(config, split))
        for split, slice_ in slices.items()
    }
    shards = (data.shards(split, of_split) for split, of_split in runs.items())
    return Source(
        full_name=data.full_name,
        data_dir=data.data_dir,
        class_names=data.class_names,
        features=data.features,
        slices=slices,
        shards=tuple(itertools.chain.from_iterable(shards)),
        fingerprint=_digest(fingerprints),
        split_fingerprints=fingerprints,
        image_shape=data.image_shape,
        examples_per_class=config.examples_per_class,
        key=data.key,
        notes=(*data.notes, *filter(None, [note]), *unused(slices, runs, counts, data.full_name)),
    )


def _own(data: Data, counts: Mapping[str, int]) -> OwnSplits:
    """The slices from the source's own splits."""

    def has_labels(split: str) -> bool:
        shards = data.shards(split, [Run(split, 0, min(counts[split], _LABELS_LOOKED_AT))])
        if any(shard.labelled for shard in shards):
            return True
        records = first_records(shards, _LABELS_LOOKED_AT)
        return any(first_label(record) != NO_LABEL for record in records)

    return own_slices(counts, has_labels, data.full_name)


def _open(config: DataConfig) -> Data:
    if config.folder is not None:
        slices = config.splits.slices().values() if config.splits else ()
        return open_folder(config.folder, config.screen.max_bytes, tuple(slices))
    if config.table is not None:
        return open_table(config.table, config.screen.max_bytes)
    if config.tfrecords is not None:
        return open_tfrecords(config.tfrecords)
    return open_tfds(config)


def _draw(config: DataConfig, split: str) -> list[int]:
    """The values that determine the draw from a split; empty if all examples are taken."""
    if split != "train" or config.examples_per_class is None:
        return []
    return [config.examples_per_class, config.examples_seed]


def _digest(*values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
