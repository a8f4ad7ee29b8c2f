"""Pictures, the TFX component."""

from __future__ import annotations

from typing import ClassVar

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, Channel, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.pictures.artifacts import DataPictures
from components.pictures.executor import Executor
from components.pictures.settings import PicturesSettings


class PicturesSpec(ComponentSpec):
    """What the cache key and the lineage see."""

    PARAMETERS: ClassVar[dict[str, ExecutionParameter]] = {
        "settings": ExecutionParameter(type=str),
        "code": ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, ChannelParameter]] = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "transform_graph": ChannelParameter(type=standard_artifacts.TransformGraph),
    }
    OUTPUTS: ClassVar[dict[str, ChannelParameter]] = {
        "pictures": ChannelParameter(type=DataPictures)
    }


class Pictures(base_component.BaseComponent):
    """Training images as they are stored, and as the Trainer sees them."""

    SPEC_CLASS = PicturesSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        examples: BaseChannel,
        transform_graph: BaseChannel,
        settings: PicturesSettings,
        code: str,
    ):
        """Makes the node.

        Args:
          examples: channel of the examples; only the train split is read.
          transform_graph: channel of the Transform step's output.
          settings: how training draws its images.
          code: digest of the modules that the step runs.
        """
        super().__init__(
            spec=PicturesSpec(
                settings=settings.model_dump_json(),
                code=code,
                examples=examples,
                transform_graph=transform_graph,
                pictures=Channel(type=DataPictures),
            )
        )
