"""The class of a tf.Example that others wrote, whatever the kind of its label feature.

>>> from tensorflow_datasets.proto import tf_example_pb2
>>> numbers = {"daisy": 0, "rose": 1}
>>> feature = tf_example_pb2.Example().features.feature["label"]
>>> feature.bytes_list.value.append(b"rose")
>>> labels_of(feature, numbers, first=0)
Labels(numbers=[1], refused=None)
>>> feature.bytes_list.value[0] = b"tulip"
>>> labels_of(feature, numbers, first=0).refused.sentence
"label 'tulip' is none of data.tfrecords.class_names"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from components.example_gen.screen.result import Reason, Refused
from components.example_gen.sources.stored import NO_LABEL

_SHOWN = 100
"""Characters of a label's text that are shown."""

_INT64 = (-(2**63), 2**63 - 1)
"""The numbers that a tf.train.Feature takes."""

KINDS = {"int64_list": "int64", "float_list": "float", "bytes_list": "bytes"}
"""Names of the kinds of a tf.train.Feature."""


class Labels(NamedTuple):
    """The labels of a record as class indices, and why they are refused, if they are."""

    numbers: list[int]
    refused: Refused | None


def labels_of(feature: Any, numbers: Mapping[str, int], first: int) -> Labels:
    """The class indices in a feature: numbers, whole floats, names, or numbers as text.

    Args:
      feature: a tf.train.Feature.
      numbers: class index by name.
      first: the number of the first class.
    """
    kind = feature.WhichOneof("kind")
    values = list(getattr(feature, kind).value) if kind else []
    found = [_index(value, numbers, first) for value in values]
    wrong = next((value for value, index in zip(values, found, strict=True) if index is None), None)
    indices = [NO_LABEL if index is None else index for index in found]
    if wrong is not None:
        return Labels(indices, Refused(Reason.LABEL, _unknown(wrong)))
    beyond = [index + first for index in indices if not 0 <= index < len(numbers)]
    if first and beyond:
        detail = (
            f"label {beyond[0]} is none of the {len(numbers)} classes, which count from {first}"
        )
        # Counted from `first`, the lowest int64 is below all that a feature takes.
        least, most = _INT64
        indices = [min(max(index, least), most) for index in indices]
        return Labels(indices, Refused(Reason.LABEL, detail))
    return Labels(indices, None)


def _index(value: Any, numbers: Mapping[str, int], first: int) -> int | None:
    """A class index, possibly out of range; None if the value is not a label at all."""
    if isinstance(value, bytes):
        name = value.decode("utf-8", "backslashreplace")
        if name in numbers:
            return numbers[name]
        # A class name may be a number; only an unknown name is parsed as a label.
        return int(name) - first if name.isascii() and name.isdigit() and len(name) < 19 else None
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < 2**31
        return int(value) - first if whole else None
    return int(value) - first


def _unknown(value: Any) -> str:
    if isinstance(value, bytes):
        name = value.decode("utf-8", "backslashreplace")[:_SHOWN]
        return f"label {name!r} is none of data.tfrecords.class_names"
    return f"label is float, and {value:g} is not the number of a class"


def kinds_of(features: Any) -> Iterator[tuple[str, str]]:
    """(name, kind) of every feature that has a kind, even if it has no value."""
    for name in features:
        kind = features[name].WhichOneof("kind")
        if kind:
            yield name, kind
