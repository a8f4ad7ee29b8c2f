"""The class of a tf.Example from elsewhere, whatever kind of feature holds its label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from components.example_gen.screen.result import Reason, Refused
from components.example_gen.sources.stored import NO_LABEL

_SHOWN = 100
"""Characters of a label's text that are shown."""

KINDS = {"int64_list": "int64", "float_list": "float", "bytes_list": "bytes"}
"""What the kinds of a tf.train.Feature are called."""


class Labels(NamedTuple):
    """The labels of a record as class indices, and why they are refused where they are."""

    numbers: list[int]
    refused: Refused | None


def labels_of(feature: Any, numbers: Mapping[str, int], first: int) -> Labels:
    """The class indices that a feature names: by number, whole float, name, or number as text.

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
        return Labels(indices, Refused(Reason.LABEL, _says(wrong)))
    beyond = [index + first for index in indices if not 0 <= index < len(numbers)]
    if first and beyond:
        detail = (
            f"label {beyond[0]} is none of the {len(numbers)} classes, which count from {first}"
        )
        return Labels(indices, Refused(Reason.LABEL, detail))
    return Labels(indices, None)


def _index(value: Any, numbers: Mapping[str, int], first: int) -> int | None:
    """A class index, which may be that of no class; None where the value is no label at all."""
    if isinstance(value, bytes):
        name = value.decode("utf-8", "backslashreplace")
        if name in numbers:
            return numbers[name]
        # A name may be a number itself; only then it is looked at as one.
        return int(name) - first if name.isascii() and name.isdigit() and len(name) < 19 else None
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < 2**31
        return int(value) - first if whole else None
    return int(value) - first


def _says(value: Any) -> str:
    if isinstance(value, bytes):
        name = value.decode("utf-8", "backslashreplace")[:_SHOWN]
        return f"label {name!r} is none of data.tfrecords.class_names"
    return f"label is float, and {value:g} is the number of no class"


def kinds_of(features: Any) -> Iterator[tuple[str, str]]:
    """(name, kind) of every feature that has one, but of those without a value too."""
    for name in features:
        kind = features[name].WhichOneof("kind")
        if kind:
            yield name, kind
