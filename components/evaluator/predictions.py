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
from components.evaluator.gates import OVERALL, Slice
from components.evaluator.ranking import NO_CLASS, label_ranks, predicted_classes
from components.storage import as_path
from components.transform.features import LABEL

FOLDER = "predictions"
TOP = 5
_PROBABILITIES = "probabilities"

SCHEMA = pa.schema(
    [
        ("example", pa.string()),  # `example_key` of the serialized tf.Example
        ("label", pa.int64()),
        ("predicted", pa.int64()),  # -1 where the probabilities name no class (`ranking.NO_CLASS`)
        ("probability", pa.float32()),  # of the predicted class; NaN where there is none
        ("label_probability", pa.float32()),
        ("label_rank", pa.int64()),  # classes before the label (`ranking.label_ranks`); 0 is right
        ("top_classes", pa.list_(pa.int64())),
        ("top_probabilities", pa.list_(pa.float32())),
        # Those that the image is in, but for all images together and its class.
        ("slices", pa.list_(pa.struct([("feature", pa.string()), ("value", pa.string())]))),
    ]
)

_LEAST_ROWS, _MOST_ROWS = 64, 1024

_Judged = tuple[str, int, np.ndarray, list[Slice]]
"""Key, label, probabilities float32 [C] and slices of one image."""


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


def predictions_writer(evaluation: str, candidate: str) -> tfma.extractors.Extractor:
    """An extractor that changes nothing and writes the candidate's predictions on the side.

    It comes behind the one that cuts the slices.

    Args:
      evaluation: folder of the evaluation.
      candidate: name of the candidate's model spec; empty where it is the only one.
    """

    @beam.ptransform_fn
    def write(extracts: beam.PCollection) -> beam.PCollection:
        prefix = os.path.join(evaluation, FOLDER, "part")
        _ = (
            extracts
            | "Judged" >> beam.Map(_judged, candidate)
            | "Batch" >> beam.BatchElements(_LEAST_ROWS, _MOST_ROWS)
            | "Tabulate" >> beam.Map(_tabulate_batch)
            | "Write"
            >> beam.io.parquetio.WriteToParquetBatched(
                prefix, SCHEMA, codec="zstd", file_name_suffix=".parquet"
            )
        )
        return extracts

    return tfma.extractors.Extractor(stage_name="WritePredictions", ptransform=write())


def slice_of(key: tuple[Any, ...]) -> Slice:
    """A slice of one feature as TFMA names it, as text; `OVERALL` for that of all images."""
    if not key:
        return OVERALL
    feature, value = key[0]
    return str(feature), value.decode("utf-8", "replace") if isinstance(value, bytes) else str(
        value
    )


def _judged(extract: dict[str, Any], candidate: str) -> _Judged:
    """The parts of an extract that make a row; its image and features are let go of."""
    predictions, label = extract[tfma.PREDICTIONS_KEY], extract[tfma.LABELS_KEY]
    if candidate:
        predictions = predictions[candidate]
        label = label[candidate] if isinstance(label, dict) else label
    slices = sorted({slice_of(key) for key in extract[tfma.SLICE_KEY_TYPES_KEY]})
    return (
        example_key(bytes(np.asarray(extract[tfma.INPUT_KEY]).item())),
        int(np.asarray(label).item()),
        np.asarray(predictions[_PROBABILITIES]).reshape(-1),
        [each for each in slices if each[0] not in (OVERALL[0], LABEL)],
    )


def _tabulate_batch(batch: Sequence[_Judged]) -> pa.Table:
    keys, labels, probabilities, slices = zip(*batch, strict=True)
    return tabulate(keys, np.array(labels, np.int64), np.stack(probabilities), slices)


def read_predictions(evaluation: str) -> pa.Table:
    """The table of one evaluation, sorted by `example`; empty where nothing was judged."""
    import pyarrow.parquet as pq

    folder = as_path(evaluation) / FOLDER
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    tables = [pq.read_table(pa.BufferReader(file.read_bytes())) for file in files]
    table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
    return table.take(pa.compute.sort_indices(table, [("example", "ascending")]))
