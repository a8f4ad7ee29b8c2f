"""Writes the report of a run whose steps are all there."""

from __future__ import annotations

import os
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components.report.collect import collect
from components.report.settings import PAGE, ReportSettings


class Executor(base_executor.BaseExecutor):
    """Reads what the other steps wrote and draws it."""

    def Do(  # noqa: N802  # TFX's name.
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Fills `report` with one page, index.html."""
        self._log_startup(input_dict, output_dict, exec_properties)
        settings = ReportSettings.model_validate_json(exec_properties["settings"])
        names = dict(INPUTS)
        artifacts = {
            names[key]: artifact_utils.get_single_instance(found)
            for key, found in input_dict.items()
            if found
        }
        # Altair takes a second to import, and most processes that know this module draw nothing.
        from components.report.page import render

        page = render(collect(artifacts, settings))
        folder = artifact_utils.get_single_uri(output_dict["report"])
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
    ("pushed_model", "Pusher.pushed_model"),
    ("damaged_data", "PassedSpan.damaged"),
    ("damaged_base_model", "WarmStart.damaged"),
    ("damaged_baseline", "BaselineModel.damaged"),
)
"""Inputs of the step, and the outputs that they are."""
