"""Writes every prediction that is judged, beside TFMA's metrics.

>>> slice_of((("image_side", 64),)), slice_of(())
(('image_side', '64'), ('', ''))
>>> predictions_writer("/out/artifacts/Evaluator/evaluation/12", candidate="").stage_name
'WritePredictions'
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow_model_analysis as tfma

from components.evaluator.gates import OVERALL, Slice
from components.evaluator.prediction_table import FOLDER, SCHEMA, example_key, tabulate
from components.transform.features import LABEL

_PROBABILITIES = "probabilities"
_LEAST_ROWS, _MOST_ROWS = 64, 1024

_Judged = tuple[str, int, np.ndarray, list[Slice]]
"""Key, label, probabilities float32 [C] and slices of one image."""


def predictions_writer(evaluation: str, candidate: str) -> tfma.extractors.Extractor:
    """An extractor that changes nothing and writes the candidate's predictions on the side.

    It comes after the one that finds the slices.

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
    """The parts of an extract that make a row; its image and features are dropped."""
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
