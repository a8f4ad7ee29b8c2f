"""`bit-tfx runs`: all runs of a pipeline.

For example:

    bit-tfx runs --output runs/digits
"""

from __future__ import annotations

import click

from pipeline.cli.command_line import Verb
from pipeline.cli.options import known_output, output_option


@click.command(cls=Verb)
@output_option
def command(output: str | None) -> int:
    """List all runs of a pipeline.

    When each ended, its exit code, accuracy, verdict, and the version that it pushed.
    """
    from rich.console import Console

    from pipeline.run.history import runs_table

    Console().print(runs_table(known_output(output)))
    return 0
