"""Beam's flags, as Beam itself reads them.

>>> checked_flags(BeamConfig())
['--runner=FnApiRunner', '--sdk_container_image=none', '--experiments=disable_...']
"""

from __future__ import annotations

import contextlib
import io

from apache_beam.options.pipeline_options import PipelineOptions

from components.errors import UserError
from pipeline.config.beam import BeamConfig, beam_pipeline_args


def checked_flags(beam: BeamConfig) -> list[str]:
    """The flags of every step's Beam pipeline (`pipeline.config.beam.beam_pipeline_args`).

    Raises:
      UserError: Beam refuses one; in the first step it would end the process.
    """
    flags = beam_pipeline_args(beam)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            PipelineOptions(flags).get_all_options()
    except SystemExit as error:
        complaint = said.getvalue().strip().rpartition("error: ")[2]
        raise UserError(f"beam.options: Beam refuses {complaint}.") from error
    return flags
