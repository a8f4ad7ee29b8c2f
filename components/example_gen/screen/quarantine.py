"""The quarantine: records that were set aside, each with its bytes, its source and the reason.

TFRecord files, not compressed, a folder a split: `Split-<split>/rejects-00000-of-00003.tfrecord`.
Every record is a tf.Example with `source`, `reason`, `detail`, `image`, and `label` where it had
one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from components.example_gen.sources.tfrecord_file import tf_records
from components.storage import split_folder, splits_in


@dataclass(frozen=True)
class Reject:
    """One record that was set aside.

    Attributes:
      source: where it came from, as in the image index.
      reason: a value of `components.example_gen.screen.screen.Reason`.
      detail: a sentence.
      image: the bytes of its image; of a record in which none is found, the record's own.
      label: class index; None where it had none.
    """

    source: str
    reason: str
    detail: str
    image: bytes
    label: int | None


def to_record(reject: Reject) -> bytes:
    """As a serialized tf.Example."""
    example = _example()
    features = example.features.feature
    for name in ("source", "reason", "detail"):
        # A file's name need not be UTF-8.
        features[name].bytes_list.value.append(
            getattr(reject, name).encode("utf-8", "surrogateescape")
        )
    features["image"].bytes_list.value.append(reject.image)
    if reject.label is not None:
        features["label"].int64_list.value.append(reject.label)
    return bytes(example.SerializeToString(deterministic=True))


def from_record(record: bytes) -> Reject:
    """The inverse of `to_record`."""
    example = _example()
    example.ParseFromString(record)
    features = example.features.feature
    texts = {
        name: features[name].bytes_list.value[0].decode("utf-8", "surrogateescape")
        for name in ("source", "reason", "detail")
    }
    label = next(iter(features["label"].int64_list.value), None)
    return Reject(image=features["image"].bytes_list.value[0], label=label, **texts)


def read_quarantine(uri: str, split: str) -> Iterator[Reject]:
    """What was set aside of a split, read without TensorFlow.

    Args:
      uri: of the Quarantine artifact.
      split: its name.
    """
    folder = split_folder(uri, split)
    if folder.exists():
        for path in sorted(folder.iterdir(), key=str):
            yield from map(from_record, tf_records(str(path)))


def quarantined_splits(uri: str) -> list[str]:
    """The splits of which something was set aside."""
    return splits_in(uri)


def _example() -> Any:
    # The same message as TensorFlow's, without TensorFlow.
    from tensorflow_datasets.proto import tf_example_pb2

    return tf_example_pb2.Example()
