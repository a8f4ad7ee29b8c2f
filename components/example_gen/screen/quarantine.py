"""The quarantine: rejected records, each with its bytes, its source and the reason.

Uncompressed TFRecord files, `Split-<split>/rejects-00000-of-00003.tfrecord`. Every record is a
tf.Example with `source`, `reason`, `detail`, `image`, and `label` if it had one.

    >>> reject = Reject("roses/12.jpg", "empty", "0 bytes; copy the file again", b"", label=3)
    >>> from_record(to_record(reject)) == reject
    True
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from components.example_gen.sources.tfrecord_file import tf_records
from components.storage import split_folder, splits_in


@dataclass(frozen=True)
class Reject:
    """One rejected record.

    Attributes:
      source: where it comes from, as in the image index.
      reason: a value of `components.example_gen.screen.result.Reason`.
      detail: a sentence.
      image: the bytes of its image; the whole record if no image is found in it.
      label: class index; None if it had none.
    """

    source: str
    reason: str
    detail: str
    image: bytes
    label: int | None


def to_record(reject: Reject) -> bytes:
    """Serializes a reject as a tf.Example."""
    example = _example()
    features = example.features.feature
    for name in ("source", "reason", "detail"):
        # A file name need not be UTF-8.
        features[name].bytes_list.value.append(
            getattr(reject, name).encode("utf-8", "surrogateescape")
        )
    features["image"].bytes_list.value.append(reject.image)
    if reject.label is not None:
        features["label"].int64_list.value.append(reject.label)
    return bytes(example.SerializeToString(deterministic=True))


def from_record(record: bytes) -> Reject:
    """Reads what `to_record` wrote."""
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
    """The rejected records of a split, read without TensorFlow.

    Args:
      uri: of the Quarantine artifact.
      split: its name.
    """
    folder = split_folder(uri, split)
    if folder.exists():
        for path in sorted(folder.iterdir(), key=str):
            yield from map(from_record, tf_records(str(path)))


def quarantined_splits(uri: str) -> list[str]:
    """The splits that have rejected records."""
    return splits_in(uri)


def _example() -> Any:
    # The same message as TensorFlow's, without TensorFlow.
    from tensorflow_datasets.proto import tf_example_pb2

    return tf_example_pb2.Example()
