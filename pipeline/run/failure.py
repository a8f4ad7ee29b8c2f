"""The report of a run that broke off, drawn from what its finished steps left."""

from __future__ import annotations

import logging

from ml_metadata.proto import metadata_store_pb2

from components.report.collect import Failure, collect
from components.report.settings import ReportSettings
from pipeline.run.outcome import read_outputs

_logger = logging.getLogger(__name__)


def draw_failure(
    connection: metadata_store_pb2.ConnectionConfig, settings: ReportSettings, failure: Failure
) -> str:
    """The page as HTML, the failure first.

    Args:
      connection: the metadata store.
      settings: of the run's report.
      failure: why it broke off, and how far it came.
    """
    try:
        content = collect(read_outputs(connection, settings.run_id), settings, failure)
    except Exception:
        # What broke the run can be in the artifacts; the failure itself is always told.
        _logger.exception("the artifacts of the failed run could not be read")
        content = collect({}, settings, failure)
    # Altair takes a second to import, and most processes that know this module draw nothing.
    from components.report.page import render

    return render(content)
