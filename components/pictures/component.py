"""Pictures, the TFX component.

>>> from tfx.types import Channel
>>> from components.pictures.settings import PicturesSettings
>>> from components.transform.config import ImageSizes
>>> settings = PicturesSettings(
...     class_names=("daisy", "rose"),
...     sizes=ImageSizes(resize=160, crop=128, evaluate=128, flip=True),
...     batch_size=64, shuffle_buffer=1000, seed=42, mixup=0.0,
... )
>>> channels = {name: Channel(type=kind) for name, kind in Pictures.INPUTS.items()}
>>> list(Pictures(settings, "9c1b", **channels).outputs)
['pictures']
"""

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
