"""Report, the TFX component."""

from __future__ import annotations

from typing import ClassVar

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, Channel, artifact, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.data_gate.artifacts import DataChecks
from components.example_gen.artifacts import ImageIndex
from components.pictures.artifacts import DataPictures
from components.report.executor import Executor
from components.report.settings import ReportSettings


class HtmlReport(artifact.Artifact):
    """A folder with one page, index.html."""

    TYPE_NAME = "BitHtmlReport"


class ReportSpec(ComponentSpec):
    """What the lineage sees."""

    PARAMETERS: ClassVar[dict[str, ExecutionParameter]] = {
        "settings": ExecutionParameter(type=str),
        "code": ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, ChannelParameter]] = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "index": ChannelParameter(type=ImageIndex),
        "statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "schema": ChannelParameter(type=standard_artifacts.Schema),
        "anomalies": ChannelParameter(type=standard_artifacts.ExampleAnomalies),
        "checks": ChannelParameter(type=DataChecks),
        "transform_graph": ChannelParameter(type=standard_artifacts.TransformGraph),
        "pictures": ChannelParameter(type=DataPictures),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "model_run": ChannelParameter(type=standard_artifacts.ModelRun),
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
        "pushed_model": ChannelParameter(type=standard_artifacts.PushedModel),
        "damaged_data": ChannelParameter(type=standard_artifacts.ExampleStatistics, optional=True),
        "damaged_base_model": ChannelParameter(type=standard_artifacts.Model, optional=True),
        "damaged_baseline": ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS: ClassVar[dict[str, ChannelParameter]] = {"report": ChannelParameter(type=HtmlReport)}


class Report(base_component.BaseComponent):
    """One HTML page of the run that opens from disk with no network."""

    SPEC_CLASS = ReportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, inputs: dict[str, BaseChannel], settings: ReportSettings, code: str):
        """Makes the node.

        Args:
          inputs: channels by the names of `ReportSpec.INPUTS`. The pushed model is one of them, so
            that the report is the last step; without a warm start there is no `damaged_base_model`.
          settings: what is in no artifact.
          code: digest of the modules that the step runs.
        """
        super().__init__(
            spec=ReportSpec(
                settings=settings.model_dump_json(),
                code=code,
                report=Channel(type=HtmlReport),
                **inputs,
            )
        )
