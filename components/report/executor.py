"""Writes the report of a run whose steps are all there.

TFX calls it with the artifacts of the step `Report`:

    from components.report.executor import INPUTS, Executor

    inputs = {name: [outputs[output]] for name, output in INPUTS if output in outputs}
    Executor().Do(inputs, {"report": [report]}, {"settings": settings.model_dump_json()})
"""

from __future__ import annotations

import os

from tfx.dsl.io import fileio
from tfx.utils import io_utils

from components.executor import Artifacts, SettingsExecutor
from components.report.collect import collect
from components.report.settings import PAGE, ReportSettings


class Executor(SettingsExecutor[ReportSettings]):
    """Reads what the other steps wrote and draws it."""

    SETTINGS = ReportSettings

    def run(self, inputs: Artifacts, outputs: Artifacts, settings: ReportSettings) -> None:
        """Fills `report` with one page, index.html."""
        names = dict(INPUTS)
        artifacts = {names[key]: artifact for key, artifact in inputs.items()}
        # Altair takes a second to import, and most processes that know this module draw nothing.
        from components.report.page import render

        page = render(collect(artifacts, settings))
        folder = outputs["report"].uri
        fileio.makedirs(folder)
        io_utils.write_string_file(os.path.join(folder, PAGE), page)


INPUTS = (
    ("examples", "ImageExampleGen.examples"),
    ("index", "ImageExampleGen.index"),
    ("statistics", "StatisticsGen.statistics"),
    ("schema", "SchemaGen.schema"),
    ("anomalies", "ExampleValidator.anomalies"),
    ("checks", "DataGate.checks"),
    ("transform_graph", "Transform.transform_graph"),
    ("pictures", "Pictures.pictures"),
    ("model", "Trainer.model"),
    ("model_run", "Trainer.model_run"),
    ("evaluation", "Evaluator.evaluation"),
    ("blessing", "Evaluator.blessing"),
    ("infra_blessing", "ModelCheck.blessing"),
    ("pushed_model", "Pusher.pushed_model"),
    ("damaged_data", "PassedSpan.damaged"),
    ("damaged_base_model", "WarmStart.damaged"),
    ("damaged_baseline", "BaselineModel.damaged"),
)
"""Inputs of the step, and the outputs that they are."""
