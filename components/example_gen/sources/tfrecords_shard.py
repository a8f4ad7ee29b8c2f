"""Existing tf.Examples, converted to our features: `image`, and `label` as a class index.

A record without an image or with an invalid label raises nothing here: the screen rejects it.

    >>> from tensorflow_datasets.proto import tf_example_pb2
    >>> example = tf_example_pb2.Example()
    >>> example.features.feature["label"].int64_list.value.append(3)
    >>> example.features.feature["boxes"].float_list.value.extend([0.1, 0.9])
    >>> single_valued(example.SerializeToString())
    ('label',)
    >>> shard = ExamplesShard("train", 0, 1, "/data/a.tfrecord", 0, 10, class_names=("a", "b"))
    >>> shard.with_kinds({"height": "int64_list"}).kinds
    (('height', 'int64_list'),)
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from components.example_gen.screen.result import Reason, Refused
from components.example_gen.sources.example_label import KINDS, kinds_of, labels_of
from components.example_gen.sources.shard import Shard
from components.example_gen.sources.stored import NO_LABEL, Stored, first_label, parsed
from components.example_gen.sources.tfrecord_file import frames
from components.transform.features import IMAGE, LABEL

_DAMAGED = "Its bytes do not match their checksum"


@dataclass(frozen=True)
class ExamplesShard(Shard):
    """A run of existing tf.Examples in a TFRecord file.

    Attributes:
      image_feature: the feature that holds the image.
      label_feature: the feature that holds the class.
      class_names: in the order of the labels; labels may also be given by name.
      first_label: the label of the first class.
      kinds: (name, accepted kind) of features whose kind differs between records.
    """

    image_feature: str = "image"
    label_feature: str = "label"
    class_names: tuple[str, ...] = ()
    first_label: int = 0
    kinds: tuple[tuple[str, str], ...] = ()

    foreign: ClassVar[bool] = True

    def records(self) -> Iterator[Stored]:
        """The records to take, in the order of the file.

        Raises:
          DamagedError: the file ends before the last of them.
        """
        wanted: range | frozenset[int] = range(self.skip, self.skip + self.take)
        if self.drawn is not None:
            wanted = frozenset(self.skip + place for place in self.drawn)
        name = os.path.basename(self.path)
        numbers = {name: number for number, name in enumerate(self.class_names)}
        for frame in itertools.islice(frames(self.path, wanted), self.skip + self.take):
            if frame.record is None:
                continue
            record, refused = _as_ours(frame.record, self, numbers)
            error = "" if frame.whole else _DAMAGED
            yield Stored(f"{name}#{frame.number}", record, error, refused=refused)

    def labels(self) -> Iterator[int]:
        """The labels of the whole run."""
        for stored in replace(self, drawn=None).records():
            refused = stored.error or stored.refused
            yield NO_LABEL if refused else first_label(stored.record)

    def with_kinds(self, kinds: Mapping[str, str]) -> ExamplesShard:
        """The same shard with other `kinds`."""
        return replace(self, kinds=tuple(kinds.items()))


def single_valued(record: bytes) -> tuple[str, ...]:
    """Names of the features with a single value, apart from the image."""
    example = parsed(record)
    features = example.features.feature if example else {}
    return tuple(sorted(name for name in features if name != IMAGE and _is_one(features[name])))


def _is_one(feature: Any) -> bool:
    kind = feature.WhichOneof("kind")
    return kind is not None and len(getattr(feature, kind).value) == 1


def _as_ours(
    record: bytes, shard: ExamplesShard, numbers: Mapping[str, int]
) -> tuple[bytes, Refused | None]:
    """A record with its image and label under our names, and why it is refused, if it is.

    It is unchanged if it has these names already, or is not a tf.Example. Other features stay,
    unless they have one of our names without being the configured feature.
    """
    example = parsed(record)
    if example is None:
        return record, None
    features: Any = example.features.feature
    refused = _wrong_kind(features, shard)
    label: Any = features.get(shard.label_feature)
    kind = label.WhichOneof("kind") if label is not None else None
    same = (shard.image_feature, shard.label_feature) == (IMAGE, LABEL)
    if same and shard.first_label == 0 and kind in (None, "int64_list"):
        return record, refused
    if kind is not None:
        found, wrong = labels_of(label, numbers, shard.first_label)
        refused = refused or wrong
        label.Clear()
        label.int64_list.SetInParent()
        label.int64_list.value.extend(found)
    _rename(features, ((shard.image_feature, IMAGE), (shard.label_feature, LABEL)))
    return bytes(example.SerializeToString(deterministic=True)), refused


def _wrong_kind(features: Any, shard: ExamplesShard) -> Refused | None:
    """The refusal of a record whose features have other kinds than elsewhere; otherwise None."""
    known = {**dict(shard.kinds), shard.image_feature: "bytes_list"}
    for name, kind in sorted(kinds_of(features)):
        if kind != known.get(name, kind) and name != shard.label_feature:
            detail = f"feature {name!r} is {KINDS[kind]}; " + (
                "an encoded image is bytes"
                if name == shard.image_feature
                else f"in most records it is {KINDS[known[name]]}"
            )
            return Refused(Reason.MALFORMED, detail, cure="")
    return None


def _rename(features: Any, names: tuple[tuple[str, str], ...]) -> None:
    """Renames features together, because one may have the other's old name."""
    contents = {new: features[old].SerializeToString() for old, new in names if old in features}
    for name in itertools.chain.from_iterable(names):
        if name in features:
            del features[name]
    for name, content in contents.items():
        features[name].MergeFromString(content)
