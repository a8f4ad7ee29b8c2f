"""`bit-tfx check`: what a run would do.

For example:

    bit-tfx check --preset digits --set training.seed=3
"""

from __future__ import annotations

import logging
from pathlib import Path

import click

from pipeline.cli.command_line import Verb
from pipeline.cli.options import Wanted, source_options


@click.command(cls=Verb)
@source_options
@click.option(
    "--output",
    metavar="DIR",
    type=click.Path(),
    help="Default: ./runs/<pipeline name>.",
)
def command(wanted: Wanted, output: str | None) -> int:
    """Print what a run would do, and train nothing.

    Configuration, data and backbone are resolved: what a run would download is downloaded. Exit
    code 0: a run could start; 2: there is a mistake in configuration, data or output, which is
    printed.
    """
    from components.progress import LOGGER
    from components.terminal import hushed
    from pipeline.run.last import RUNS
    from pipeline.run.outlook import outlook
    from pipeline.run.output_path import resolved_output

    config, replaced = wanted.settle()
    if replaced:
        print(replaced)
    folder = resolved_output(Path(output or RUNS / config.pipeline_name))
    LOGGER.addHandler(_Phases())
    LOGGER.setLevel(logging.INFO)
    with hushed():
        lines = list(outlook(config, folder))
    for label, text in lines:
        print(f"{label:<9} {text}")
    return 0


class _Phases(logging.Handler):
    """Says what is waited for, such as a download."""

    def emit(self, record: logging.LogRecord) -> None:
        from components.progress import EVENT

        event = record.__dict__.get(EVENT) or {}
        if event.get("event") == "phase":
            print(f"{event['text']} …")
