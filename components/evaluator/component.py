"""GatedEvaluator, the TFX component."""

from __future__ import annotations

from typing import ClassVar

from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import BaseChannel, Channel, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.system_executions import Evaluate

from components.evaluator.executor import Executor
from components.evaluator.settings import EvaluatorSettings


class GatedEvaluatorSpec(ComponentSpec):
    """What the cache key and the lineage see."""

    PARAMETERS: ClassVar[dict[str, ExecutionParameter]] = {
        "settings": ExecutionParameter(type=str),
        "code": ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, ChannelParameter]] = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "transform_graph": ChannelParameter(type=standard_artifacts.TransformGraph),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "baseline_model": ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS: ClassVar[dict[str, ChannelParameter]] = {
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
    }
    TYPE_ANNOTATION = Evaluate


class GatedEvaluator(base_beam_component.BaseBeamComponent):
    """A TFMA evaluation and the verdict of `components.evaluator.gates` on it."""

    SPEC_CLASS = GatedEvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: BaseChannel,
        transform_graph: BaseChannel,
        model: BaseChannel,
        baseline_model: BaseChannel,
        settings: EvaluatorSettings,
        code: str,
    ):
        """Makes the node.

        Args:
          examples: channel of the examples, with the split that is judged.
          transform_graph: channel of the Transform step's output; slice features come from it.
          model: channel of the candidate.
          baseline_model: channel of the model to compare with; it may be empty.
          settings: the gates.
          code: digest of the modules that the step runs.
        """
        super().__init__(
            spec=GatedEvaluatorSpec(
                settings=settings.model_dump_json(),
                code=code,
                examples=examples,
                transform_graph=transform_graph,
                model=model,
                baseline_model=baseline_model,
                evaluation=Channel(type=standard_artifacts.ModelEvaluation),
                blessing=Channel(type=standard_artifacts.ModelBlessing),
            )
        )
        self.with_id("Evaluator")
