"""`bit-tfx rollback`: an earlier version serves again.

For example:

    bit-tfx rollback --output runs/digits
    bit-tfx rollback --config flowers.yaml
"""

from __future__ import annotations

import click

from pipeline.cli.command_line import Verb
from pipeline.cli.options import Wanted, config_options, output_option, place_of, serving_option

_EPILOG = """\
\b
Environment:
  BIT_METADATA_PASSWORD  of the server in kubeflow.metadata, with --config
"""


@click.command(cls=Verb, epilog=_EPILOG)
@click.argument("version", required=False, type=click.IntRange(min=0))
@output_option
@serving_option
@config_options
def command(wanted: Wanted, version: int | None, output: str | None, serving: str | None) -> int:
    """Make an earlier version serve: VERSION, or the one before that which serves.

    Later versions are moved to `.rolled-back` in the serving folder, where no server sees them; a
    run does not push their models again. `bit-tfx rollback` with the number of such a version puts
    it back.

    --config (--preset, --set) names a pipeline that runs on Kubeflow: the versions in its
    kubeflow.output, and the record in its kubeflow.metadata.
    """
    from pipeline.run.serving import roll_back

    print("\n".join(roll_back(place_of(wanted, output, serving), version)))
    return 0
