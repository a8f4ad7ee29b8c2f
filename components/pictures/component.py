"""Pictures, the TFX component."""

from __future__ import annotations

from typing import ClassVar

from tfx.types import standard_artifacts

from components.artifacts import DataPictures
from components.component import Step, Types
from components.pictures.executor import Executor


class Pictures(Step):
    """Training images as they are stored, and as the Trainer sees them.

    Only the train split is read. Its settings are `PicturesSettings`.
    """

    EXECUTOR = Executor
    INPUTS: ClassVar[Types] = {
        "examples": standard_artifacts.Examples,
        "transform_graph": standard_artifacts.TransformGraph,
    }
    OUTPUTS: ClassVar[Types] = {"pictures": DataPictures}
