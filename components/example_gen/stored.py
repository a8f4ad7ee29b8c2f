"""A record as a source has it, before the screen."""

from __future__ import annotations

from typing import Any, NamedTuple


class Stored(NamedTuple):
    """A record of the source.

    Attributes:
      source: where it is, `roses/12.jpg` or `name-train.tfrecord-00000-of-00001#17`.
      record: the serialized tf.Example, with `image` and `label`.
      size_bytes: of the file whose beginning alone is the image, because all of it is more than
        data.screen.max_bytes; 0 where the image is whole.
      error: why it cannot be read, a sentence; the record then has no image, or is empty.
    """

    source: str
    record: bytes
    size_bytes: int = 0
    error: str = ""


def parsed(record: bytes) -> Any:
    """The tf.Example that a record is; None where it is none."""
    from google.protobuf.message import DecodeError

    # The same message as TensorFlow's, without TensorFlow.
    from tensorflow_datasets.proto import tf_example_pb2

    try:
        return tf_example_pb2.Example.FromString(record)
    except DecodeError:
        return None
