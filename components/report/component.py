"""Report, the TFX component.

>>> from tfx.types import Channel
>>> from components.report.settings import ReportSettings
>>> settings = ReportSettings(
...     pipeline="flowers", run_id="20261130-101500-000000", split="eval",
...     class_names=("daisy", "rose"), config={}, sources=(), links={},
... )
>>> channels = {name: Channel(type=kind) for name, kind in Report.INPUTS.items()}
>>> list(Report(settings, "9c1b", **channels).outputs)
['report']
"""

from __future__ import annotations

from typing import ClassVar

from tfx.types import standard_artifacts as tfx

from components.artifacts import DataChecks, DataPictures, HtmlReport, ImageIndex
from components.component import Step, Types
from components.report.executor import Executor


class Report(Step):
    """One HTML page of the run that opens from disk with no network.

    The pushed model is an input, so that the report is the last step; without a warm start there
    is no `damaged_base_model`. Its settings are `ReportSettings`.
    """

    EXECUTOR = Executor
    INPUTS: ClassVar[Types] = {
        "examples": tfx.Examples,
        "index": ImageIndex,
        "statistics": tfx.ExampleStatistics,
        "schema": tfx.Schema,
        "anomalies": tfx.ExampleAnomalies,
        "checks": DataChecks,
        "transform_graph": tfx.TransformGraph,
        "pictures": DataPictures,
        "model": tfx.Model,
        "model_run": tfx.ModelRun,
        "evaluation": tfx.ModelEvaluation,
        "blessing": tfx.ModelBlessing,
        "infra_blessing": tfx.InfraBlessing,
        "pushed_model": tfx.PushedModel,
    }
    OPTIONAL: ClassVar[Types] = {
        "damaged_data": tfx.ExampleStatistics,
        "damaged_base_model": tfx.Model,
        "damaged_baseline": tfx.Model,
    }
    OUTPUTS: ClassVar[Types] = {"report": HtmlReport}
