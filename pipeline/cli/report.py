"""`bit-tfx report`: where the report of the last run is.

For example:

    bit-tfx report --open
"""

from __future__ import annotations

import webbrowser

import click

from pipeline.cli.command_line import Verb
from pipeline.cli.options import known_output, output_option


@click.command(cls=Verb)
@output_option
@click.option("--open", "opened", is_flag=True, help="Open it in a browser.")
@click.option("--all", "all_runs", is_flag=True, help="The page of all runs.")
def command(output: str | None, opened: bool, all_runs: bool) -> int:
    """Print the path of the last run's report."""
    from components.errors import UserError
    from pipeline.run.layout import Layout

    layout = Layout(known_output(output))
    page = layout.runs if all_runs else layout.report
    if not page.exists():
        raise UserError(f"{page} is not there: no run of this output has drawn it yet.")
    path = page.resolve()
    print(path)
    if opened and not webbrowser.open(path.as_uri()):
        raise UserError(f"no browser could be started; open {path} yourself.")
    return 0
