"""What the asking process gets: the contract, and what the Evaluator stored of each image.

>>> import tempfile
>>> job = Job(
...     class_names=("a", "b"), side=32, split="eval",
...     expected=(Expected(label=0, label_probability=0.9, top_classes=(0,),
...                        top_probabilities=(0.9,)),),
... )
>>> with tempfile.TemporaryDirectory() as folder:
...     path = Path(folder, "job.json")
...     _ = path.write_text(job.model_dump_json())
...     Job.read(path) == job
True
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from components.section import Names, Section

Floats = Annotated[tuple[float, ...], Field(strict=False)]
Ints = Annotated[tuple[int, ...], Field(strict=False)]


class Expected(Section):
    """The Evaluator's row of one image (`components.evaluator.prediction_table`)."""

    label: int
    label_probability: float
    top_classes: Ints
    top_probabilities: Floats


class Job(Section):
    """One inquiry.

    Attributes:
      class_names: names by class index.
      side: of the images that the network sees, in pixels.
      split: the split that the images are from.
      expected: a row for each record of the queries.
      min_confidence: the least probability with which the model names a class; None names always.
    """

    class_names: Names
    side: int
    split: str
    expected: Annotated[tuple[Expected, ...], Field(strict=False)]
    min_confidence: float | None = None

    @classmethod
    def read(cls, path: Path) -> Job:
        """Reads a job from its JSON."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))
