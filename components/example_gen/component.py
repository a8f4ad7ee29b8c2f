"""ImageExampleGen, the TFX component.

>>> from components.example_gen.config import DataConfig
>>> node = ImageExampleGen(DataConfig(name="digits"), fingerprint="5f2a", span=1, code="9c1b")
>>> sorted(node.outputs)
['examples', 'index', 'quarantine']
"""

from __future__ import annotations

from typing import ClassVar

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.example_gen.artifacts import ImageIndex, Quarantine
from components.example_gen.config import DataConfig
from components.example_gen.executor import Executor

_UNUSED_KEYS = {"curated_schema", "write_schema"}
"""Keys of `data` that do not affect the examples."""


class ImageExampleGenSpec(ComponentSpec):
    """The properties and outputs that make up the cache key and the lineage."""

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
    """Turns any source of images with classes into `examples`, one split per slice.

    It also writes the `index` of the images and the `quarantine` of the rejected ones. TFX's own
    ExampleGens read files or queries; none reads tfds (tensorflow/tfx#2027).
    """

    SPEC_CLASS = ImageExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(self, data: DataConfig, fingerprint: str, span: int, code: str):
        """Makes the node.

        Args:
          data: the data set and its slices.
          fingerprint: `Source.fingerprint` of the data as it is now; part of the cache key.
          span: number of this data in the pipeline (`pipeline.inputs.span`).
          code: digest of the modules that the step runs and of the libraries that they use.
        """
        super().__init__(
            spec=ImageExampleGenSpec(
                data=data.model_dump_json(exclude=_UNUSED_KEYS),
                fingerprint=fingerprint,
                span=span,
                code=code,
                examples=types.Channel(type=standard_artifacts.Examples),
                index=types.Channel(type=ImageIndex),
                quarantine=types.Channel(type=Quarantine),
            )
        )
