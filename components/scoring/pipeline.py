"""The Beam pipeline: shards to batches, batches to answers by RunInference, answers to parts.

RunInference is given whole batches, and makes none of its own: those that it makes differ from run
to run, and the last bits of a model's answers with them.

    >>> handler = PredictImage("/out/serving/1764497700")
    >>> handler.should_skip_batching(), handler.get_metrics_namespace()
    (True, 'predict_image')
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam.ml.inference.base import ModelHandler, RunInference
from numpy.typing import NDArray

from components.example_gen.screen.acceptance import screen
from components.example_gen.screen.result import Refused
from components.scoring.batches import Batch, Work, read_batches
from components.scoring.parts import write_part
from components.scoring.settings import ScoreSettings
from components.scoring.table import Columns, tabulate
from components.signatures import (
    CLASS_INDEX,
    CLASS_NAME,
    ERROR,
    PREDICT_IMAGE,
    PROBABILITIES,
    VALID,
)

MODEL = "model"
"""The reason of an image that passes the screen, and that the model refuses."""

Answers = dict[str, NDArray[Any]]
"""The outputs of `predict_image` for the images of a batch that it was asked for."""


@dataclass
class Loaded:
    """A SavedModel and its signature, which does not keep the model's variables alive."""

    model: Any
    predict: Any


class Answered(NamedTuple):
    """A batch without its images, and its answers.

    Attributes:
      refused: the images that the model refuses, by their row of the answers.
    """

    batch: Batch
    answers: Answers
    refused: Mapping[int, bytes]


class BatchCoder(beam.coders.Coder):
    """Pickles, and knows the size without: Beam asks it of many a batch, to count bytes."""

    def encode(self, value: Batch) -> bytes:
        """Beam's hook."""
        return pickle.dumps(value)

    def decode(self, encoded: bytes) -> Batch:
        """Beam's hook."""
        return pickle.loads(encoded)

    def estimate_size(self, value: Batch) -> int:
        """Beam's hook."""
        return value.num_bytes

    def is_deterministic(self) -> bool:
        """Beam's hook."""
        return False


class PredictImage(ModelHandler[Batch, Answered, Loaded]):
    """Asks a served model's `predict_image`; a batch is one element.

    Args:
      folder: of the version.
    """

    def __init__(self, folder: str):
        super().__init__()
        self._folder = folder

    def load_model(self) -> Loaded:
        """Beam's hook: once a process."""
        import tensorflow as tf

        model = tf.saved_model.load(self._folder)
        return Loaded(model, model.signatures[PREDICT_IMAGE])

    def run_inference(
        self,
        batch: Batch,  # type: ignore[override]  # Beam's own would be a list of them.
        model: Loaded,
        inference_args: dict[str, Any] | None = None,
    ) -> Iterator[Answered]:
        """Beam's hook: the answers of a batch."""
        del inference_args
        import tensorflow as tf

        # Also where none is asked for: an empty request has an empty answer.
        outputs = model.predict(image_bytes=tf.constant(batch.images, tf.string, [len(batch)]))
        answers = {name: output.numpy() for name, output in outputs.items()}
        refused = {int(row): batch.images[row] for row in np.flatnonzero(~answers[VALID])}
        yield Answered(replace(batch, images=()), answers, refused)

    def get_num_bytes(self, batch: Batch) -> int:  # type: ignore[override]
        """Beam's hook: without it Beam pickles the images to count them."""
        return batch.num_bytes

    def get_metrics_namespace(self) -> str:
        """Beam's hook."""
        return PREDICT_IMAGE

    def should_skip_batching(self) -> bool:
        """Beam's hook."""
        return True


def run(
    work: Sequence[Work],
    folder: str,
    settings: ScoreSettings,
    columns: Columns,
    job: str,
    flags: Sequence[str],
) -> None:
    """Scores what is left to do; each batch becomes a part.

    Args:
      work: of every shard.
      folder: of the model's version.
      settings: what was asked for.
      columns: of the table.
      job: that the parts belong to (`components.scoring.parts.identity`).
      flags: Beam's, the runner's name among them.
    """
    beam.coders.registry.register_coder(Batch, BatchCoder)
    options = beam.options.pipeline_options.PipelineOptions(list(flags))
    with beam.Pipeline(options=options) as pipeline:
        _ = (
            pipeline
            | "Work" >> beam.Create(work)
            # This shuffles descriptions, never an image.
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.FlatMap(read_batches, settings).with_output_types(Batch)
            | "Predict" >> RunInference(PredictImage(folder))
            | "Write" >> beam.Map(write_answers, settings, columns, job)
        )


def write_answers(answered: Answered, settings: ScoreSettings, columns: Columns, job: str) -> None:
    """Writes the part of a batch.

    Raises:
      RuntimeError: the model's answers are of other classes than its labels.
    """
    batch, answers, refused_by_model = answered
    found = answers[PROBABILITIES].shape[-1]
    if found != columns.classes:
        raise RuntimeError(f"{settings.model} has {columns.classes} labels and {found} classes")
    valid = answers[VALID].astype(bool)
    refused = {place: _said(each) for place, each in batch.refused.items()}
    for row, image in refused_by_model.items():
        said = _refused_by_model(image, answers[ERROR][row], settings)
        refused[batch.asked[row]] = said
    kept = {name: answers[name][valid] for name in (PROBABILITIES, CLASS_INDEX, CLASS_NAME)}
    rows = [place for place, ok in zip(batch.asked, valid, strict=True) if ok]
    table = tabulate(batch.names, rows, kept, refused, columns)
    write_part(settings.parts, job, batch.shard, batch.number, table)


def _refused_by_model(image: bytes, error: bytes, settings: ScoreSettings) -> tuple[str, str]:
    """Reason and detail: the screen's, which says more, where it refuses the image too."""
    found = screen(image, settings.limits)
    if isinstance(found, Refused):
        return _said(found)
    return MODEL, f"the model: {error.decode('utf-8', 'replace')}"


def _said(refused: Refused) -> tuple[str, str]:
    return refused.reason.value, refused.sentence
