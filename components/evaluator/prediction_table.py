"""The table of an evaluation's predictions: one row an image, as Parquet.

>>> probabilities = np.array([[0.2, 0.5, 0.3]], np.float32)
>>> table = tabulate([example_key(b"a tf.Example")], np.array([2]), probabilities, slices=[[]])
>>> table["predicted"].to_pylist(), table["label_rank"].to_pylist()
([1], [1])
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.errors import UserError
from components.evaluator.gates import OVERALL, Slice
from components.evaluator.ranking import label_ranks, predicted_classes
from components.storage import AnyPath, as_path
from components.transform.features import LABEL, NO_CLASS

TOP = 5

_FOLDER = "predictions"
_PART = "part-{:05d}-of-{:05d}.parquet"
_PARTS = "part-?????-of-?????.parquet"

SCHEMA = pa.schema(
    [
        ("example", pa.string()),  # `example_key` of the serialized tf.Example
        ("label", pa.int64()),
        ("predicted", pa.int64()),  # -1 where the probabilities name no class (`NO_CLASS`)
        ("probability", pa.float32()),  # of the predicted class; NaN where there is none
        ("label_probability", pa.float32()),
        ("label_rank", pa.int64()),  # classes before the label (`ranking.label_ranks`); 0 is right
        ("top_classes", pa.list_(pa.int64())),
        ("top_probabilities", pa.list_(pa.float32())),
        # Those that the image is in, but for all images together and its class.
        ("slices", pa.list_(pa.struct([("feature", pa.string()), ("value", pa.string())]))),
    ]
)


def example_key(serialized: bytes) -> str:
    """Names a record by its content, so that its image can be found again."""
    return hashlib.sha256(serialized).hexdigest()[:24]


def tabulate(
    examples: Sequence[str],
    labels: np.ndarray,
    probabilities: np.ndarray,
    slices: Sequence[Sequence[Slice]],
) -> pa.Table:
    """One row of `SCHEMA` an example.

    Args:
      examples: N times `example_key`.
      labels: int64 [N].
      probabilities: float32 [N, C].
      slices: of features that each is in.

    Raises:
      UserError: a label is no class.
    """
    classes = probabilities.shape[1]
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise UserError(f"the label {wrong} is none of the {classes} classes, which start at 0")
    predicted = predicted_classes(probabilities)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]
    best = np.take_along_axis(probabilities, order, axis=1)
    named = predicted != NO_CLASS
    columns = [
        examples,
        labels,
        predicted,
        np.where(named, best[:, 0], np.nan),
        probabilities[np.arange(len(labels)), labels],
        label_ranks(labels, probabilities),
        [row.tolist() if known else [] for row, known in zip(order, named, strict=True)],
        [row.tolist() if known else [] for row, known in zip(best, named, strict=True)],
        [[{"feature": feature, "value": value} for feature, value in of_row] for of_row in slices],
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def part_file(evaluation: str, index: int, count: int) -> AnyPath:
    """Where a part of the table is."""
    return as_path(evaluation) / _FOLDER / _PART.format(index, count)


def read_predictions(evaluation: str) -> pa.Table:
    """The table of one evaluation, sorted by `example`; empty where nothing was judged."""
    import pyarrow.parquet as pq

    folder = as_path(evaluation) / _FOLDER
    files = sorted(folder.glob(_PARTS), key=str) if folder.is_dir() else []
    tables = [pq.read_table(pa.BufferReader(file.read_bytes())) for file in files]
    table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
    return table.take(pa.compute.sort_indices(table, [("example", "ascending")]))


def rows_by_slice(table: pa.Table) -> Iterator[tuple[Slice, NDArray[np.int64]]]:
    """The rows, int64 [n], of every slice that has some: all images, each class, each slice."""
    if not len(table):
        return
    yield OVERALL, np.arange(len(table))
    labels = table["label"].to_numpy()
    order = np.argsort(labels, kind="stable")
    classes, starts = np.unique(labels[order], return_index=True)
    for index, rows in zip(classes, np.split(order, starts[1:]), strict=True):
        yield (LABEL, str(index)), rows
    others: dict[Slice, list[int]] = defaultdict(list)
    for row, slices in enumerate(table["slices"].to_pylist()):
        for each in slices:
            others[each["feature"], each["value"]].append(row)
    for key, of_slice in others.items():
        yield key, np.array(of_slice)
