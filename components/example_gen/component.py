"""ImageExampleGen, the TFX component."""

from __future__ import annotations

from typing import ClassVar

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.example_gen.artifacts import ImageIndex, Quarantine
from components.example_gen.config import DataConfig
from components.example_gen.executor import Executor

_NOT_READ = {"curated_schema", "write_schema"}
"""Keys of `data` that change no example."""


class ImageExampleGenSpec(ComponentSpec):
    """What the cache key and the lineage see."""

    PARAMETERS: ClassVar[dict[str, ExecutionParameter]] = {
        "data": ExecutionParameter(type=str),
        "fingerprint": ExecutionParameter(type=str),
        "span": ExecutionParameter(type=int),
        "code": ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, ChannelParameter]] = {}
    OUTPUTS: ClassVar[dict[str, ChannelParameter]] = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "index": ChannelParameter(type=ImageIndex),
        "quarantine": ChannelParameter(type=Quarantine),
    }


class ImageExampleGen(base_beam_component.BaseBeamComponent):
    """Any source of images with classes, as `examples` with a split a slice.

    Beside them the `index` of the images, and the `quarantine` of those that were set aside. TFX's
    own ExampleGens read files or queries; none knows tfds (tensorflow/tfx#2027).
    """

    SPEC_CLASS = ImageExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(self, data: DataConfig, fingerprint: str, span: int, code: str):
        """Makes the node.

        Args:
          data: which data set, which slices.
          fingerprint: `Source.fingerprint` of the data as it is now; new data is a new key.
          span: number of that data in this pipeline (`pipeline.inputs.span`).
          code: digest of the modules that the step runs and of the libraries below them.
        """
        super().__init__(
            spec=ImageExampleGenSpec(
                data=data.model_dump_json(exclude=_NOT_READ),
                fingerprint=fingerprint,
                span=span,
                code=code,
                examples=types.Channel(type=standard_artifacts.Examples),
                index=types.Channel(type=ImageIndex),
                quarantine=types.Channel(type=Quarantine),
            )
        )
