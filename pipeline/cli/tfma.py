"""`bit-tfx tfma`: TFMA's own dashboards.

For example:

    bit-tfx tfma --output runs/digits --open
"""

from __future__ import annotations

import click

from pipeline.cli.command_line import Verb
from pipeline.cli.options import known_output, output_option


@click.command(cls=Verb)
@output_option
@click.option("--evaluation", type=int, metavar="N", help="Default: the newest.")
@click.option("--port", type=int, default=0, help="Default: any that is free.")
@click.option("--open", "opened", is_flag=True, help="Open the page in a browser.")
def command(output: str | None, evaluation: int | None, port: int, opened: bool) -> int:
    """Serve TFMA's dashboards until Ctrl-C."""
    from components.report.tfma import serve
    from components.storage import as_path

    serve(as_path(known_output(output)), evaluation, port, opened)
    return 0
