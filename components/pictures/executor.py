"""Draws the pictures of the data.

TFX calls it with the artifacts of the step `Pictures`:

    from components.pictures.executor import Executor

    inputs = {"examples": [examples], "transform_graph": [graph]}
    Executor().Do(inputs, {"pictures": [pictures]}, {"settings": settings.model_dump_json()})
"""

from __future__ import annotations

import tensorflow_transform as tft
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components.executor import Artifacts, SettingsExecutor
from components.pictures.grid import draw_grid
from components.pictures.samples import stored, trained_on
from components.pictures.settings import AFTER, BEFORE, PicturesSettings
from components.storage import as_path
from components.trainer.input_pipeline import files_of, stored_split

_BEFORE_COLUMNS, _BEFORE_SIDE_PX = 3, 200
_AFTER_COLUMNS, _AFTER_SIDE_PX = 5, 160


class Executor(SettingsExecutor[PicturesSettings]):
    """Reads the first step of training, and draws it."""

    SETTINGS = PicturesSettings

    def run(self, inputs: Artifacts, outputs: Artifacts, settings: PicturesSettings) -> None:
        """Fills `pictures` with `before.png` and `after.png`."""
        examples = inputs["examples"]
        folders = artifact_utils.get_split_uris([examples], "train")
        files = files_of(map(io_utils.all_files_pattern, folders))
        graph = tft.TFTransformOutput(inputs["transform_graph"].uri)
        count = examples.get_int_custom_property("num_examples_train")
        split = stored_split(files, graph, count, training=True)
        pictures = {
            BEFORE: draw_grid(
                stored(split, settings, _BEFORE_COLUMNS**2), _BEFORE_COLUMNS, _BEFORE_SIDE_PX
            ),
            AFTER: draw_grid(
                trained_on(split, settings, _AFTER_COLUMNS**2), _AFTER_COLUMNS, _AFTER_SIDE_PX
            ),
        }
        folder = as_path(outputs["pictures"].uri)
        folder.mkdir(parents=True, exist_ok=True)
        for name, picture in pictures.items():
            (folder / name).write_bytes(picture)
