"""VersionedPusher, the TFX component."""

from __future__ import annotations

from typing import ClassVar

from tfx.dsl.components.base import base_component, executor_spec
from tfx.proto import pusher_pb2
from tfx.types import BaseChannel, Channel, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.system_executions import Deploy

from components.pusher.executor import Executor
from components.pusher.settings import CardSettings


class VersionedPusherSpec(ComponentSpec):
    """What the lineage sees: the spec of TFX's Pusher, and what the card is made of."""

    PARAMETERS: ClassVar[dict[str, ExecutionParameter]] = {
        "push_destination": ExecutionParameter(type=pusher_pb2.PushDestination),
        "card": ExecutionParameter(type=str),
        "code": ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, ChannelParameter]] = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "model_run": ChannelParameter(type=standard_artifacts.ModelRun),
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "model_blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
    }
    OUTPUTS: ClassVar[dict[str, ChannelParameter]] = {
        "pushed_model": ChannelParameter(type=standard_artifacts.PushedModel)
    }
    TYPE_ANNOTATION = Deploy


class VersionedPusher(base_component.BaseComponent):
    """TFX's Pusher onto a file system, atomic and free of duplicates, with a model card."""

    SPEC_CLASS = VersionedPusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, inputs: dict[str, BaseChannel], serving: str, card: CardSettings, code: str):
        """Makes the node.

        Args:
          inputs: channels by the names of `VersionedPusherSpec.INPUTS`.
          serving: the folder of versions.
          card: what the card says that is in no artifact. Its run id is why the step is never
            cached: what is served can change back.
          code: digest of the modules that the step runs.
        """
        filesystem = pusher_pb2.PushDestination.Filesystem(base_directory=serving)
        super().__init__(
            spec=VersionedPusherSpec(
                push_destination=pusher_pb2.PushDestination(filesystem=filesystem),
                card=card.model_dump_json(),
                code=code,
                pushed_model=Channel(type=standard_artifacts.PushedModel),
                **inputs,
            )
        )
        self.with_id("Pusher")
