"""What a version of the model answers: a row an image, and the version that gave it.

>>> answers = Answers.of(
...     {"probabilities": np.float32([[0.25, 0.75], [np.nan, np.nan]]), "class_index": [1, -1],
...      "class_name": [b"tulip", b""], "valid": [True, False], "error": [b"", b"no image"]}, 7)
>>> answers.rows()[0]["class_name"], answers.rows()[1]["probabilities"], answers.version
('tulip', [None, None], 7)
>>> answers[1:].rows()[0]["error"]
'no image'
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.signatures import CLASS_INDEX, CLASS_NAME, ERROR, PROBABILITIES, VALID


@dataclass(frozen=True)
class Answers:
    """Columns of one length.

    Attributes:
      version: number of the version that answered.
      probabilities: float32 [N, C]; NaN where the image is bad.
      class_index: int64 [N]; -1 where it is bad.
      class_name: object [N] of str.
      valid: bool [N].
      error: object [N] of str; "" where there is an answer.
    """

    version: int
    probabilities: NDArray[np.float32]
    class_index: NDArray[np.int64]
    class_name: NDArray[np.object_]
    valid: NDArray[np.bool_]
    error: NDArray[np.object_]

    @classmethod
    def of(cls, outputs: Mapping[str, Any], version: int) -> Answers:
        """From the outputs of `predict_image`, whose strings are bytes."""
        return cls(
            version,
            np.asarray(outputs[PROBABILITIES], np.float32),
            np.asarray(outputs[CLASS_INDEX], np.int64),
            _text(outputs[CLASS_NAME]),
            np.asarray(outputs[VALID], np.bool_),
            _text(outputs[ERROR]),
        )

    def __len__(self) -> int:
        return len(self.valid)

    def __getitem__(self, rows: slice) -> Answers:
        return Answers(self.version, *(column[rows] for column in self.columns().values()))

    def columns(self) -> dict[str, NDArray[Any]]:
        """By the names of the signature's outputs."""
        return {
            PROBABILITIES: self.probabilities,
            CLASS_INDEX: self.class_index,
            CLASS_NAME: self.class_name,
            VALID: self.valid,
            ERROR: self.error,
        }

    def rows(self) -> list[dict[str, Any]]:
        """For JSON, which has no NaN: a bad image's probabilities are None."""
        columns = {name: column.tolist() for name, column in self.columns().items()}
        columns[PROBABILITIES] = [
            [None if math.isnan(value) else value for value in row] if not valid else row
            for row, valid in zip(columns[PROBABILITIES], columns[VALID], strict=True)
        ]
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _text(values: Any) -> NDArray[np.object_]:
    decoded = [value.decode("utf-8", "replace") for value in np.asarray(values, object)]
    # Not np.array(decoded): for an empty list it would not be one of objects.
    return np.fromiter(decoded, object, len(decoded))
