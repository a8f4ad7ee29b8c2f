"""A record as a source has it, before the screen."""

from __future__ import annotations

from typing import Any, NamedTuple

from components.example_gen.screen.result import Refused
from components.transform.features import LABEL


class Stored(NamedTuple):
    """A record of the source.

    Attributes:
      source: where it is, `roses/12.jpg` or `name-train.tfrecord-00000-of-00001#17`; bytes of a
        file's name that are no UTF-8 as os.fsdecode gives them.
      record: the serialized tf.Example, with `image` and `label`; of a file that is larger than
        data.screen.max_bytes, with its beginning.
      error: why it could not be read; empty where it was.
      size_bytes: of a file whose beginning alone is in the record; else 0.
      refused: why its source cannot take it for an example; None where it can.
    """

    source: str
    record: bytes
    error: str = ""
    size_bytes: int = 0
    refused: Refused | None = None


NO_LABEL = -1
"""In place of a label that a record does not have."""


def first_label(record: bytes) -> int:
    """The first label of a record; NO_LABEL where it has none, or is no tf.Example."""
    example = parsed(record)
    values = example.features.feature[LABEL].int64_list.value if example else ()
    return next(iter(values), NO_LABEL)


def parsed(record: bytes) -> Any:
    """The tf.Example that a record is; None where it is none."""
    from google.protobuf.message import DecodeError

    # The same message as TensorFlow's, without TensorFlow.
    from tensorflow_datasets.proto import tf_example_pb2

    try:
        return tf_example_pb2.Example.FromString(record)
    except DecodeError:
        return None
