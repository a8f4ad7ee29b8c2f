"""`bit-tfx quarantine`: the images that the last run set aside.

For example:

    bit-tfx quarantine --output runs/digits --extract rejects
"""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.command_line import Verb
from pipeline.cli.options import known_output, output_option


@click.command(cls=Verb)
@output_option
@click.option(
    "--extract", metavar="FOLDER", help="Write them there: FOLDER/<split>/<reason>/<source>."
)
def command(output: str | None, extract: str | None) -> int:
    """Show the images that were set aside, and why."""
    from rich.console import Console

    from pipeline.run import quarantine

    uri, reasons = quarantine.find_quarantine(known_output(output))
    if uri is None:
        print(f"The last run read no data: {reasons}" if reasons else "Nothing was set aside.")
    elif extract:
        count = quarantine.extract(uri, Path(extract))
        print(f"{count:,} records are in {extract}.")
    else:
        Console().print(quarantine.as_table(uri))
    return 0
