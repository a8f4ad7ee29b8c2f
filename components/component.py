"""The base of our TFX components: a step declares its inputs, outputs and properties.

The types are TFX's artifact types; the values of a step's properties are part of its cache key.

    >>> from tfx.types.standard_artifacts import Examples
    >>> from components.artifacts import DataPictures
    >>> class DrawSettings(Section):
    ...     side_px: int
    >>> class Draw(Step):
    ...     EXECUTOR = base_executor.EmptyExecutor
    ...     INPUTS = {"examples": Examples}
    ...     OUTPUTS = {"pictures": DataPictures}
    >>> node = Draw(DrawSettings(side_px=200), "9c1b", examples=Channel(type=Examples))
    >>> node.id, node.outputs["pictures"].type_name
    ('Draw', 'BitPictures')
    >>> Draw(DrawSettings(side_px=200), "9c1b", images=Channel(type=Examples))
    Traceback (most recent call last):
    ...
    TypeError: Draw has no input images
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tfx.dsl.components.base import (
    base_beam_component,
    base_beam_executor,
    base_component,
    base_executor,
    executor_spec,
)
from tfx.types import Artifact, BaseChannel, Channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.section import Section

Types = Mapping[str, type[Artifact]]
"""Artifact type by the name of the channel."""


class Step(base_component.BaseComponent):
    """A component that is made from its declaration.

    Attributes:
      EXECUTOR: what runs it; one that runs Beam is `BeamStep`'s.
      INPUTS: channels that it needs.
      OPTIONAL: channels that may be absent or empty.
      OUTPUTS: what it fills.
      PROPERTIES: type of each property: str, int or a message.
      ID: its name, where that is not the class's.
      EXECUTION: TFX's type of what it does, for ML Metadata.
    """

    EXECUTOR: ClassVar[type[base_executor.BaseExecutor]]
    INPUTS: ClassVar[Types] = {}
    OPTIONAL: ClassVar[Types] = {}
    OUTPUTS: ClassVar[Types] = {}
    PROPERTIES: ClassVar[Mapping[str, Any]] = {"settings": str, "code": str}
    ID: ClassVar[str] = ""
    EXECUTION: ClassVar[Any] = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not hasattr(cls, "EXECUTOR"):
            return
        beam = issubclass(cls.EXECUTOR, base_beam_executor.BaseBeamExecutor)
        make = executor_spec.BeamExecutorSpec if beam else executor_spec.ExecutorClassSpec
        cls.EXECUTOR_SPEC = make(cls.EXECUTOR)
        inputs = {name: ChannelParameter(type=kind) for name, kind in cls.INPUTS.items()}
        inputs |= {
            n: ChannelParameter(type=kind, optional=True) for n, kind in cls.OPTIONAL.items()
        }
        cls.SPEC_CLASS = type(ComponentSpec)(
            f"{cls.__name__}Spec",
            (ComponentSpec,),
            {
                "PARAMETERS": {n: ExecutionParameter(type=t) for n, t in cls.PROPERTIES.items()},
                "INPUTS": inputs,
                "OUTPUTS": {n: ChannelParameter(type=kind) for n, kind in cls.OUTPUTS.items()},
                "TYPE_ANNOTATION": cls.EXECUTION,
            },
        )

    def __init__(self, settings: Section, code: str, **channels: BaseChannel | None):
        """Makes the node.

        Args:
          settings: all settings of the step, as its executor reads them.
          code: digest of the modules that the step runs (`pipeline.inputs.code`).
          channels: by the names of `INPUTS` and `OPTIONAL`.
        """
        self._make(channels, settings=settings.model_dump_json(), code=code)

    def _make(self, channels: Mapping[str, BaseChannel | None], **properties: Any) -> None:
        """Makes the node with other properties than those two.

        Raises:
          TypeError: a channel has no name of `INPUTS` or `OPTIONAL`, which TFX would not notice.
        """
        if unknown := channels.keys() - {*self.INPUTS, *self.OPTIONAL}:
            raise TypeError(f"{type(self).__name__} has no input {', '.join(sorted(unknown))}")
        outputs = {name: Channel(type=kind) for name, kind in self.OUTPUTS.items()}
        super().__init__(spec=self.SPEC_CLASS(**properties, **channels, **outputs))
        if self.ID:
            self.with_id(self.ID)


class BeamStep(Step, base_beam_component.BaseBeamComponent):
    """A component that runs Beam, on the configured runner."""
