"""`bit-tfx pin`: a version serves, whatever runs push.

For example:

    bit-tfx pin --output runs/digits
"""

from __future__ import annotations

import click

from pipeline.cli.command_line import Verb
from pipeline.cli.options import Wanted, config_options, output_option, place_of, serving_option


@click.command(cls=Verb)
@click.argument("version", required=False, type=click.IntRange(min=0))
@click.option("--off", is_flag=True, help="Let runs push again.")
@output_option
@serving_option
@config_options
def command(
    wanted: Wanted, version: int | None, off: bool, output: str | None, serving: str | None
) -> int:
    """Let a version serve until `--off`: VERSION, or the one that serves now.

    Runs go on training and judging meanwhile; run_summary.json says why nothing was pushed.

    --config (--preset, --set) is as in `bit-tfx rollback`.
    """
    from components.errors import UserError
    from pipeline.run.serving import pin, unpin

    if off and version is not None:
        raise UserError("--off takes no version: type `bit-tfx pin --off`.")
    place = place_of(wanted, output, serving)
    print("\n".join(unpin(place) if off else pin(place, version)))
    return 0
