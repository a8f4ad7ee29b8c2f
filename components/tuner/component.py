"""OptunaTuner, the TFX component."""

from __future__ import annotations

from typing import ClassVar

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, Channel, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.tuner.executor import Executor
from components.tuner.settings import TunerSettings


class OptunaTunerSpec(ComponentSpec):
    """What the cache key and the lineage see."""

    PARAMETERS: ClassVar[dict[str, ExecutionParameter]] = {
        "settings": ExecutionParameter(type=str),
        "code": ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, ChannelParameter]] = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "transform_graph": ChannelParameter(type=standard_artifacts.TransformGraph),
        "base_model": ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS: ClassVar[dict[str, ChannelParameter]] = {
        "best_hyperparameters": ChannelParameter(type=standard_artifacts.HyperParameters),
        "tuner_results": ChannelParameter(type=standard_artifacts.TunerResults),
    }


class OptunaTuner(base_component.BaseComponent):
    """Hyper-parameters for the Trainer, by short trainings on a part of the train split."""

    SPEC_CLASS = OptunaTunerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        examples: BaseChannel,
        transform_graph: BaseChannel,
        settings: TunerSettings,
        code: str,
        base_model: BaseChannel | None = None,
    ):
        """Makes the node.

        Args:
          examples: channel of the examples; only the train split is read.
          transform_graph: channel of the Transform step's output.
          settings: the search, and the training that it is for.
          code: digest of the modules that the step runs.
          base_model: channel of the model that trials start from, as the Trainer will.
        """
        super().__init__(
            spec=OptunaTunerSpec(
                settings=settings.model_dump_json(),
                code=code,
                examples=examples,
                transform_graph=transform_graph,
                base_model=base_model,
                best_hyperparameters=Channel(type=standard_artifacts.HyperParameters),
                tuner_results=Channel(type=standard_artifacts.TunerResults),
            )
        )
        self.with_id("Tuner")
