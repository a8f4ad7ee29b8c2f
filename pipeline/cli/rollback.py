"""`bit-tfx rollback`: an earlier version serves again.

For example:

    bit-tfx rollback --output runs/digits
"""

from __future__ import annotations

import click

from pipeline.cli.command_line import Verb
from pipeline.cli.options import output_option, place_of, serving_option


@click.command(cls=Verb)
@click.argument("version", required=False, type=click.IntRange(min=0))
@output_option
@serving_option
def command(version: int | None, output: str | None, serving: str | None) -> int:
    """Make an earlier version serve: VERSION, or the one before that which serves.

    Later versions are moved to `.rolled-back` in the serving folder, where no server sees them; a
    run does not push their models again. `bit-tfx rollback` with the number of such a version puts
    it back.
    """
    from pipeline.run.serving import roll_back

    print("\n".join(roll_back(place_of(output, serving), version)))
    return 0
