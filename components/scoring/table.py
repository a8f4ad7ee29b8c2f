"""The tables: a row for every image that has an answer, and one for every image that has none.

>>> answers = {
...     "probabilities": np.array([[0.25, 0.75]], np.float32),
...     "class_index": np.array([1]), "class_name": np.array([b"rose"], object),
... }
>>> table = tabulate(["a.jpg", "b.txt"], [0], answers, {1: ("empty", "0 bytes")}, Columns(2, 1))
>>> table["class_name"].to_pylist(), table["reason"].to_pylist()
(['rose', None], [None, 'empty'])
>>> round(table["entropy"][0].as_py(), 4), table["top_class_index"][0].as_py()
(0.5623, [1])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.example_gen.sources.image_files import display
from components.signatures import CLASS_INDEX, CLASS_NAME, PROBABILITIES

NAME, ENTROPY, REASON, DETAIL = "name", "entropy", "reason", "detail"

ROW = pa.schema(
    [
        (NAME, pa.string()),  # the path relative to --images; of tfds its file and position
        (CLASS_INDEX, pa.int64()),
        (CLASS_NAME, pa.string()),
        ("probability", pa.float32()),  # of that class
        ("top_class_index", pa.list_(pa.int64())),  # the most probable first
        ("top_class_name", pa.list_(pa.string())),
        ("top_probability", pa.list_(pa.float32())),
        (ENTROPY, pa.float64()),  # of the probabilities, in nats
        (PROBABILITIES, pa.list_(pa.float32())),  # of every class, with --probabilities
    ]
)
REJECT = pa.schema(
    [
        (NAME, pa.string()),
        (REASON, pa.string()),  # as in the quarantine, or `model`
        (DETAIL, pa.string()),  # what is wrong, and what to do about it
    ]
)


class Columns(NamedTuple):
    """What the options make of the row.

    Attributes:
      classes: how many there are.
      top_k: of them are listed; all where there are fewer.
      probabilities: whether there is a column of all probabilities.
      class_names: names by class index; () takes their numbers.
    """

    classes: int
    top_k: int
    probabilities: bool = False
    class_names: tuple[str, ...] = ()

    def row(self) -> pa.Schema:
        """The columns of an image with an answer."""
        return ROW if self.probabilities else ROW.remove(len(ROW) - 1)

    def part(self) -> pa.Schema:
        """The columns of both tables, of which an image fills one's."""
        return pa.schema([*self.row(), *REJECT.remove(0)])


def tabulate(
    names: Sequence[str],
    answered: Sequence[int],
    answers: Mapping[str, NDArray[Any]],
    refused: Mapping[int, tuple[str, str]],
    columns: Columns,
) -> pa.Table:
    """A row an image, in the order of `names`.

    Args:
      names: of all images.
      answered: positions of those with an answer, rising.
      answers: outputs of `predict_image`, a row for each of `answered`.
      refused: reason and detail of the others, by their position.
      columns: which there are.
    """
    probabilities = answers[PROBABILITIES].reshape(-1, columns.classes)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, : columns.top_k]
    best = np.take_along_axis(probabilities, order, axis=1)
    known = columns.class_names or tuple(str(each) for each in range(columns.classes))
    names_of_classes = pa.array(known, pa.string())
    of_rows = {
        CLASS_INDEX: pa.array(answers[CLASS_INDEX], pa.int64()),
        CLASS_NAME: pa.array(
            [name.decode("utf-8", "replace") for name in answers[CLASS_NAME]], pa.string()
        ),
        "probability": pa.array(best[:, 0]),
        "top_class_index": _lists(pa.array(order.ravel(), pa.int64()), order.shape),
        "top_class_name": _lists(names_of_classes.take(pa.array(order.ravel())), order.shape),
        "top_probability": _lists(pa.array(best.ravel()), best.shape),
        ENTROPY: pa.array(entropies(probabilities)),
        PROBABILITIES: _lists(pa.array(probabilities.ravel()), probabilities.shape),
    }
    # An image without an answer takes the row None, which Arrow makes nulls of.
    row_of: list[int | None] = [None] * len(names)
    for row, place in enumerate(answered):
        row_of[place] = row
    rows = pa.array(row_of, pa.int64())
    said = [refused.get(place, (None, None)) for place in range(len(names))]
    of_all = {
        NAME: pa.array([display(name) for name in names], pa.string()),
        REASON: pa.array([reason for reason, _ in said], pa.string()),
        DETAIL: pa.array([detail for _, detail in said], pa.string()),
    }
    schema = columns.part()
    found = [of_all[name] if name in of_all else of_rows[name].take(rows) for name in schema.names]
    return pa.Table.from_arrays(found, schema=schema)


def _lists(values: pa.Array, shape: tuple[int, ...]) -> pa.ListArray:
    """A list a row, of the values of them all."""
    rows, length = shape
    return pa.ListArray.from_arrays(np.arange(rows + 1, dtype=np.int32) * length, values)


def entropies(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """The entropy of each row in nats, float64 [N]: 0 for a sure answer, log(C) for none.

    Args:
      probabilities: float32 [N, C].
    """
    exact = probabilities.astype(np.float64)
    logarithms = np.log(exact, out=np.zeros_like(exact), where=exact > 0)
    return -(exact * logarithms).sum(axis=1) + 0.0
