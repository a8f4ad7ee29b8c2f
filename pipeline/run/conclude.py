"""What a run left, read and shown: the numbers, the inferred schema and the report.

The end of every run, also of one that broke off, on this machine and on Kubeflow. It needs no TFX,
so that the report of a run whose worker died does not need to load it a second time.

A run ends with one of the two:

    from pipeline.run.conclude import conclude, conclude_broken

    outcome, outputs = conclude(connection, folder, config)
    outcome = conclude_broken(connection, folder, config, summary)
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from components.lineage.outputs import read_outputs
from components.report.settings import ReportSettings
from pipeline.config import Config
from pipeline.inputs.schema import write_inferred
from pipeline.run.error_line import one_line
from pipeline.run.outcome import read_outcome, read_page
from pipeline.run.report import publish
from pipeline.run.run_folder import RunFolder
from pipeline.run.summary import Summary

_logger = logging.getLogger(__name__)


def conclude(connection: Any, folder: RunFolder, config: Config) -> tuple[dict[str, Any], Any]:
    """Publishes the report of a run whose steps are all done.

    Args:
      connection: ML Metadata's ConnectionConfig.
      folder: of the run, with the settings of its report.
      config: the resolved configuration.

    Returns:
      What the run left, by the names of `pipeline.run.summary.Summary`, and its outputs
      (`components.lineage.outputs.read_outputs`).
    """
    outputs, outcome = _read(connection, folder, config, _settings(folder))
    outcome["report"] = str(publish(read_page(outputs), folder.layout.report))
    return outcome, outputs


def conclude_broken(
    connection: Any, folder: RunFolder, config: Config, summary: Summary
) -> dict[str, Any]:
    """Publishes the report of a run that broke off: its failure, then what its steps left.

    Args:
      connection: ML Metadata's ConnectionConfig.
      folder: of the run, with the settings of its report.
      config: the resolved configuration.
      summary: of the run, with the reasons of the failure and how far each step came.

    Returns:
      What the run left, by the names of `pipeline.run.summary.Summary`; the reasons stay those of
      the failure, with one more where what it left cannot be read.
    """
    settings = _settings(folder)
    try:
        outputs, outcome = _read(connection, folder, config, settings)
        page = _draw(outputs, settings, summary)
        outcome["reasons"] = summary.reasons
    except Exception as error:  # What broke the run can be in its artifacts: the failure is shown.
        _logger.exception("what the run left could not be read")
        more = f"what the run left could not be read: {one_line(error)}"
        outcome = {"reasons": [*summary.reasons, more]}
        page = _draw({}, settings, summary)
    outcome["report"] = str(publish(page, folder.layout.report))
    return outcome


def _settings(folder: RunFolder) -> ReportSettings:
    settings = folder.settings()
    assert settings is not None
    return settings


def _read(
    connection: Any, folder: RunFolder, config: Config, settings: ReportSettings
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    outputs = read_outputs(connection, folder.run_id)
    write_inferred(config.data, outputs, len(settings.class_names))
    return outputs, read_outcome(outputs, settings.class_names)


def _draw(outputs: Mapping[str, Any], settings: ReportSettings, summary: Summary) -> str:
    # Not at the top: a run that ends well has its page from the Report step.
    from components.report.collect import Failure, collect
    from components.report.content import StepRow
    from components.report.page import render

    steps = tuple(StepRow(step.id, step.state, step.seconds) for step in summary.steps)
    return render(collect(outputs, settings, Failure("; ".join(summary.reasons), steps)))
