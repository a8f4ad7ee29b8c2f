"""A record as stored in the source, before the screen.

>>> from tensorflow_datasets.proto import tf_example_pb2
>>> example = tf_example_pb2.Example()
>>> example.features.feature["label"].int64_list.value.append(3)
>>> first_label(example.SerializeToString())
3
>>> first_label(b"not a tf.Example") == NO_LABEL
True
"""

from __future__ import annotations

from typing import Any, NamedTuple

from components.example_gen.screen.result import Reason, Refused
from components.transform.features import IMAGE, LABEL


class Stored(NamedTuple):
    """A record of the source.

    Attributes:
      source: its place, `roses/12.jpg` or `name-train.tfrecord-00000-of-00001#17`; bytes of a file
        name that are not UTF-8 as os.fsdecode gives them.
      record: the serialized tf.Example, with `image` and `label`; of a file larger than
        data.screen.max_bytes, with its beginning only.
      error: why it could not be read; empty if it was.
      size_bytes: size of a file of which the record has only the beginning; otherwise 0.
      refused: why the source cannot make an example of it; None if it can.
    """

    source: str
    record: bytes
    error: str = ""
    size_bytes: int = 0
    refused: Refused | None = None


class StoredImage(NamedTuple):
    """The image of a record; attributes as in `Stored`.

    Attributes:
      image: as it is encoded.
    """

    source: str
    image: bytes
    error: str = ""
    size_bytes: int = 0
    refused: Refused | None = None


def image_of(stored: Stored) -> StoredImage:
    """The image of a record; one that is not a tf.Example with one image is refused."""
    example = parsed(stored.record)
    images = list(example.features.feature[IMAGE].bytes_list.value) if example else []
    refused = stored.refused
    if len(images) != 1 and not refused:
        detail = f"{len(images)} images instead of one" if example else "not a tf.Example"
        refused = Refused(Reason.MALFORMED, detail, cure="")
    image = images[0] if len(images) == 1 else b""
    return StoredImage(stored.source, image, stored.error, stored.size_bytes, refused)


NO_LABEL = -1
"""Stands for a missing label."""


def first_label(record: bytes) -> int:
    """The first label of a record; NO_LABEL if it has none, or is not a tf.Example."""
    example = parsed(record)
    values = example.features.feature[LABEL].int64_list.value if example else ()
    return next(iter(values), NO_LABEL)


def parsed(record: bytes) -> Any:
    """Parses a record; None if it is not a tf.Example."""
    from google.protobuf.message import DecodeError

    # The protocol buffer of TensorFlow, without TensorFlow.
    from tensorflow_datasets.proto import tf_example_pb2

    try:
        return tf_example_pb2.Example.FromString(record)
    except DecodeError:
        return None
