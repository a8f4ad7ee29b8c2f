"""DataGate, the TFX component."""

from __future__ import annotations

from typing import ClassVar

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, Channel, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.data_gate.artifacts import DataChecks
from components.data_gate.executor import Executor
from components.data_gate.settings import DataGateSettings
from components.example_gen.artifacts import ImageIndex, Quarantine


class DataGateSpec(ComponentSpec):
    """What the cache key and the lineage see."""

    PARAMETERS: ClassVar[dict[str, ExecutionParameter]] = {
        "settings": ExecutionParameter(type=str),
        "code": ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, ChannelParameter]] = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "index": ChannelParameter(type=ImageIndex),
        "quarantine": ChannelParameter(type=Quarantine),
        "statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "schema": ChannelParameter(type=standard_artifacts.Schema),
        "anomalies": ChannelParameter(type=standard_artifacts.ExampleAnomalies),
        "previous_statistics": ChannelParameter(
            type=standard_artifacts.ExampleStatistics, optional=True
        ),
        "previous_checks": ChannelParameter(type=DataChecks, optional=True),
    }
    OUTPUTS: ClassVar[dict[str, ChannelParameter]] = {"checks": ChannelParameter(type=DataChecks)}


class DataGate(base_component.BaseComponent):
    """What is wrong with the data stops the run before it trains.

    ExampleValidator never stops one (tensorflow/tfx-addons#153).
    """

    SPEC_CLASS = DataGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, inputs: dict[str, BaseChannel], settings: DataGateSettings, code: str):
        """Makes the node.

        Args:
          inputs: channels by the names of `DataGateSpec.INPUTS`; those of the data that passed
            before may be empty.
          settings: the limits.
          code: digest of the modules that the step runs.
        """
        super().__init__(
            spec=DataGateSpec(
                settings=settings.model_dump_json(),
                code=code,
                checks=Channel(type=DataChecks),
                **inputs,
            )
        )
