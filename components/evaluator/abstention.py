"""What `serving.min_confidence` does to the images that were judged.

>>> table = pa.table({
...     "label": [0, 1, 1],
...     "top_classes": [[0, 1], [0, 1], []],
...     "top_probabilities": [[0.9, 0.1], [0.6, 0.4], []],
... })
>>> abstention(table, min_confidence=0.7)
Abstention(min_confidence=0.7, images=2, named=1, accuracy=1.0)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Abstention:
    """What a threshold does on the judged split.

    Attributes:
      min_confidence: the least probability with which the model names a class.
      images: of the judged split that have an answer.
      named: those for which it names a class.
      accuracy: share of these that are right; None where there are none.
    """

    min_confidence: float
    images: int
    named: int
    accuracy: float | None


def abstention(predictions: pa.Table, min_confidence: float) -> Abstention:
    """Counts them.

    Args:
      predictions: the Evaluator's (`components.evaluator.prediction_table.SCHEMA`).
      min_confidence: the threshold.
    """
    rows = predictions.select(["label", "top_classes", "top_probabilities"]).to_pylist()
    answered = [row for row in rows if row["top_classes"]]
    # As in the model, whose probabilities are float32.
    least = np.float32(min_confidence)
    named = [row for row in answered if np.float32(row["top_probabilities"][0]) >= least]
    right = sum(row["label"] == row["top_classes"][0] for row in named)
    accuracy = right / len(named) if named else None
    return Abstention(min_confidence, len(answered), len(named), accuracy)
