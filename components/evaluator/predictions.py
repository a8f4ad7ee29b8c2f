"""Every prediction that was judged, as a table beside the metrics."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow_model_analysis as tfma

from components.errors import UserError
from components.storage import as_path

FOLDER = "predictions"
TOP = 5
_PROBABILITIES = "probabilities"

SCHEMA = pa.schema(
    [
        ("example", pa.string()),  # `example_key` of the serialized tf.Example
        ("label", pa.int64()),
        ("predicted", pa.int64()),
        ("probability", pa.float32()),  # of the predicted class
        ("label_probability", pa.float32()),
        ("label_rank", pa.int64()),  # of the label among the classes by probability; 0 is right
        ("top_classes", pa.list_(pa.int64())),
        ("top_probabilities", pa.list_(pa.float32())),
    ]
)


def example_key(serialized: bytes) -> str:
    """Names a record by its content, so that its image can be found again."""
    return hashlib.sha256(serialized).hexdigest()[:24]


def tabulate(
    serialized: Sequence[bytes], labels: np.ndarray, probabilities: np.ndarray
) -> pa.Table:
    """One row of `SCHEMA` an example.

    Args:
      serialized: N tf.Examples.
      labels: int64 [N].
      probabilities: float32 [N, C].

    Raises:
      UserError: a label is no class.
    """
    classes = probabilities.shape[1]
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise UserError(f"the label {wrong} is none of the {classes} classes, which start at 0")
    order = np.argsort(-probabilities, axis=1, kind="stable")
    rank = np.argmax(order == labels[:, np.newaxis], axis=1)
    order = order[:, :TOP]
    rows = np.arange(len(labels))
    predicted = np.argmax(probabilities, axis=1)
    of_label = probabilities[rows, labels]
    columns = [
        [example_key(record) for record in serialized],
        labels,
        predicted,
        probabilities[rows, predicted],
        of_label,
        rank,
        order.tolist(),
        np.take_along_axis(probabilities, order, axis=1).tolist(),
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def predictions_writer(evaluation: str, candidate: str) -> tfma.extractors.Extractor:
    """An extractor that changes nothing and writes the candidate's predictions on the side.

    Args:
      evaluation: folder of the evaluation.
      candidate: name of the candidate's model spec; empty where it is the only one.
    """

    @beam.ptransform_fn
    def write(extracts: beam.PCollection) -> beam.PCollection:
        prefix = os.path.join(evaluation, FOLDER, "part")
        _ = (
            extracts
            | "Tabulate" >> beam.Map(_tabulate_batch, candidate)
            | "Write"
            >> beam.io.parquetio.WriteToParquetBatched(
                prefix, SCHEMA, codec="zstd", file_name_suffix=".parquet"
            )
        )
        return extracts

    return tfma.extractors.Extractor(stage_name="WritePredictions", ptransform=write())


def _tabulate_batch(batch: dict[str, Any], candidate: str) -> pa.Table:
    predictions = batch[tfma.PREDICTIONS_KEY]
    if candidate:
        predictions = predictions[candidate]
    labels = batch[tfma.LABELS_KEY]
    if candidate and isinstance(labels, dict):
        labels = labels[candidate]
    return tabulate(
        batch[tfma.INPUT_KEY], np.asarray(labels).reshape(-1), predictions[_PROBABILITIES]
    )


def read_predictions(evaluation: str) -> pa.Table:
    """The table of one evaluation, sorted by `example`; empty where nothing was judged."""
    import pyarrow.parquet as pq

    folder = as_path(evaluation) / FOLDER
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    tables = [pq.read_table(pa.BufferReader(file.read_bytes())) for file in files]
    table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
    return table.take(pa.compute.sort_indices(table, [("example", "ascending")]))
