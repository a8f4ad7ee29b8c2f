"""The examples of a split as Arrow batches, read by all workers of a Beam job.

A source that splits itself, which is what TFX reads, stays on the worker that split it where Beam
runs on Flink: one decoded and predicted everything. Here the names of files are shuffled, and each
file is read where its name arrives.

A step reads a split so:

    from components.examples import read_batches

    with self._make_beam_pipeline() as pipeline:
        batches = pipeline | read_batches(examples.uri, "eval", "Evaluator", batch_size=64)
"""

from __future__ import annotations

import apache_beam as beam
from tfx_bsl.tfxio.tf_example_record import TFExampleBeamRecord

from components.storage import split_folder

_FORMAT = "tfrecords_gzip"
"""For TFXIO's metrics."""


def read_batches(
    uri: str,
    split: str,
    step: str,
    batch_size: int | None = None,
    record_column: str | None = None,
) -> beam.PTransform:
    """A transform of a pipeline to `pyarrow.RecordBatch`es of a column a feature.

    Args:
      uri: of an Examples artifact.
      split: of it.
      step: for TFXIO's metrics.
      batch_size: examples in a batch; None leaves it to Beam.
      record_column: column of the serialized examples; None for none.

    Raises:
      FileNotFoundError: the split has no file.
    """
    folder = split_folder(uri, split)
    files = sorted(str(path) for path in folder.iterdir())
    if not files:
        raise FileNotFoundError(f"{folder} holds no examples")
    decoder = TFExampleBeamRecord(
        _FORMAT, telemetry_descriptors=[step], raw_record_column_name=record_column
    )

    @beam.ptransform_fn
    def read(pipeline: beam.Pipeline) -> beam.PCollection:
        return (
            pipeline
            | "Files" >> beam.Create(files)
            # It shuffles the files' names before it opens one.
            | "Records" >> beam.io.ReadAllFromTFRecord()
            | "Batches" >> decoder.BeamSource(batch_size)
        )

    return read()
