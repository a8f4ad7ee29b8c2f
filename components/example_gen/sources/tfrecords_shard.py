"""tf.Examples that were there before, as the steps know them: `image`, and `label` as a number.

Nothing here raises for a record: one without an image, or of no class, is the screen's.
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

_DAMAGED = "Its bytes are not those that were written: the checksum differs"


@dataclass(frozen=True)
class ExamplesShard(Shard):
    """A run of tf.Examples that were there before, in a TFRecord file.

    Attributes:
      image_feature: the feature that holds the image.
      label_feature: the feature that holds the class.
      class_names: by number; labels that are text are found among them.
      first_label: the number of the first class.
      kinds: of features of which records differ: (name, the kind that is taken).
    """

    image_feature: str = "image"
    label_feature: str = "label"
    class_names: tuple[str, ...] = ()
    first_label: int = 0
    kinds: tuple[tuple[str, str], ...] = ()

    foreign: ClassVar[bool] = True

    def records(self) -> Iterator[Stored]:
        """The records that it takes, in the order of the file.

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
        """The labels of its whole run."""
        for stored in replace(self, drawn=None).records():
            refused = stored.error or stored.refused
            yield NO_LABEL if refused else first_label(stored.record)

    def with_kinds(self, kinds: Mapping[str, str]) -> ExamplesShard:
        """The same shard with other `kinds`."""
        return replace(self, kinds=tuple(kinds.items()))


def single_valued(record: bytes) -> tuple[str, ...]:
    """Names of the features that have one value, but for the image."""
    example = parsed(record)
    features = example.features.feature if example else {}
    return tuple(sorted(name for name in features if name != IMAGE and _is_one(features[name])))


def _is_one(feature: Any) -> bool:
    kind = feature.WhichOneof("kind")
    return kind is not None and len(getattr(feature, kind).value) == 1


def _as_ours(
    record: bytes, shard: ExamplesShard, numbers: Mapping[str, int]
) -> tuple[bytes, Refused | None]:
    """A record with its image and label under our names, and why it is refused where it is.

    It is as it was where it has them already, or is no tf.Example.
    Other features stay, but for those that had one of our names and were not named as ours.
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
    """What is said of a record whose features are not of the kinds that they have elsewhere."""
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
    """Gives features their new names at once: one may have the other's old name."""
    contents = {new: features[old].SerializeToString() for old, new in names if old in features}
    for name in itertools.chain.from_iterable(names):
        if name in features:
            del features[name]
    for name, content in contents.items():
        features[name].MergeFromString(content)
