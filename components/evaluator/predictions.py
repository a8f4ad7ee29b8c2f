"""Writes every prediction that is judged, beside TFMA's metrics.

>>> slice_of((("image_side", 64),)), slice_of(())
(('image_side', '64'), ('', ''))
>>> drafts = Drafts("/out/artifacts/Evaluator/evaluation/12/unfinished")
>>> predictions_writer(drafts, candidate="").stage_name
'WritePredictions'
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow_model_analysis as tfma
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from components.drafts import Drafts
from components.evaluator.gates import OVERALL, Slice
from components.evaluator.prediction_table import SCHEMA, example_key, tabulate
from components.storage import as_path
from components.transform.features import LABEL

_PROBABILITIES = "probabilities"
_LEAST_ROWS, _MOST_ROWS = 64, 1024
_FILE_ROWS = 1 << 18
"""Of a file, some 20 MB, which are held in memory."""

_Judged = tuple[str, int, np.ndarray, list[Slice]]
"""Key, label, probabilities float32 [C] and slices of one image."""


def predictions_writer(drafts: Drafts, candidate: str) -> tfma.extractors.Extractor:
    """An extractor that changes nothing and writes the candidate's predictions on the side.

    It comes after the one that finds the slices.

    Args:
      drafts: takes the parts of the table, and the list of them.
      candidate: name of the candidate's model spec; empty where it is the only one.
    """

    @beam.ptransform_fn
    def write(extracts: beam.PCollection) -> beam.PCollection:
        _ = (
            extracts
            | "Judged" >> beam.Map(_judged, candidate)
            | "Batch" >> beam.BatchElements(_LEAST_ROWS, _MOST_ROWS)
            | "Tabulate" >> beam.Map(_tabulate_batch)
            | "Write" >> beam.ParDo(_WriteParts(drafts))
            | "Gather" >> beam.combiners.ToList()
            | "Leave" >> beam.Map(drafts.leave)
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


class _WriteParts(beam.DoFn):
    """Writes the tables of a bundle, which is the unit that Beam tries again, into files."""

    def __init__(self, drafts: Drafts):
        self._drafts = drafts

    def start_bundle(self) -> None:
        """Beam's hook."""
        self._written: list[str] = []
        self._begin()

    def process(self, table: pa.Table) -> None:
        """Beam's hook: the table is packed, and held until the file is full."""
        self._writer.write_table(table)
        self._rows += len(table)
        if self._rows >= _FILE_ROWS:
            self._write()
            self._begin()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Beam's hook: the paths of the files."""
        if self._rows:
            self._write()
        for draft in self._written:
            yield GlobalWindows.windowed_value(draft)

    def _begin(self) -> None:
        self._rows, self._sink = 0, pa.BufferOutputStream()
        self._writer = pq.ParquetWriter(self._sink, SCHEMA, compression="zstd")

    def _write(self) -> None:
        self._writer.close()
        with self._drafts.file("predictions.parquet") as draft:
            as_path(draft).write_bytes(self._sink.getvalue().to_pybytes())
        self._written.append(draft)
