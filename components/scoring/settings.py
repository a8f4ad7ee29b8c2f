"""The settings of `bit-tfx score`, and which of them decides the rows.

>>> settings = ScoreSettings(model="serving", images="photos", output="out/predictions.parquet")
>>> settings.rejects.name, settings.parts.name
('predictions.rejects.parquet', '.predictions.parquet.parts')
>>> settings.model_copy(update={"sort": "entropy"}).options() == settings.options()
False
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from components.example_gen.config import ScreenConfig
from components.section import Section
from components.storage import is_uri

TFDS = "tfds:"
"""Beginning of `images` that are a data set of tfds."""
_NO_OPTIONS = {"model", "images", "output", "overwrite"}


class ScoreSettings(Section):
    """One scoring.

    Attributes:
      model: a serving folder, or the folder of one version.
      images: a folder, a pattern, a table of paths, or `tfds:NAME`.
      output: the Parquet file to write, on this machine.
      split: of a tfds data set, in tfds's syntax.
      data_dir: where tfds has its data sets.
      column: of a table, the one with the paths; None finds it.
      top_k: how many of the most probable classes are listed.
      probabilities: whether those of all classes are listed.
      sort: the order of the rows.
      batch_size: images of a request, and of a part.
      screen: `header` asks the model for what passes by its header; `full` decodes each image
        first, as training does.
      limits: of the screen.
      overwrite: whether a file of another command is replaced.
    """

    model: str
    images: str
    output: str
    split: str = "all"
    data_dir: str | None = None
    column: str | None = None
    top_k: int = Field(5, ge=1)
    probabilities: bool = False
    sort: Literal["name", "entropy"] = "name"
    batch_size: int = Field(64, ge=1)
    screen: Literal["header", "full"] = "header"
    limits: ScreenConfig = ScreenConfig()
    overwrite: bool = False

    @property
    def target(self) -> Path:
        """The table of the answers."""
        return Path(self.output)

    @property
    def rejects(self) -> Path:
        """The table of the images without an answer, beside it."""
        return self.target.with_name(f"{self.target.stem}.rejects{self.target.suffix}")

    @property
    def parts(self) -> Path:
        """The folder of what is done so far, beside it."""
        return self.target.with_name(f".{self.target.name}.parts")

    def options(self) -> dict[str, Any]:
        """What decides the rows beside the model and the images."""
        return self.model_dump(mode="json", exclude=_NO_OPTIONS)

    def command(self) -> str:
        """Identifies the command line, whatever the folder that it is typed in."""
        places = {"model": _absolute(self.model), "images": _absolute(self.images)}
        return json.dumps({**places, **self.options()}, sort_keys=True)


def _absolute(place: str) -> str:
    return place if is_uri(place) or place.startswith(TFDS) else os.path.abspath(place)
