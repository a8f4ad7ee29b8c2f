"""`bit-tfx run`, which is what local_runner.py runs.

For example:

    bit-tfx run --folder photos --set training.epochs=5 --output runs/photos
"""

from __future__ import annotations

from pathlib import Path

import click

from components.terminal import run_command
from pipeline.cli.command_line import Verb, end, take_signals_as_interrupts
from pipeline.cli.options import Wanted, source_options

_EPILOG = """\
\b
Exit codes:
  0  completed: the newest version in <output>/serving is the last model that passed every gate
  1  a step failed
  2  usage, configuration, or data that cannot be had
  3  completed, and the new model was rejected by a gate

<output>/run_summary.json says how the run ended. docs/reference/configuration.md lists every key.
"""


@click.command(cls=Verb, epilog=_EPILOG)
@source_options
@click.option("--output", metavar="DIR", type=click.Path(), help="Default: ./runs/<pipeline name>.")
@click.option("--no-cache", is_flag=True, help="Run every step, whatever was done before.")
def command(wanted: Wanted, output: str | None, no_cache: bool) -> int:
    """Train, judge and push a model on this machine."""
    # The run is worth more than what it prints: unlike other verbs it survives a lost terminal.
    return run_command(lambda: _start(wanted, output, no_cache), goes_on=True)


def _start(wanted: Wanted, output: str | None, no_cache: bool) -> int:
    from rich.console import Console

    from components.errors import UserError
    from pipeline.run.claim import write_failed_summary
    from pipeline.run.last import RUNS
    from pipeline.run.local import run
    from pipeline.run.output_path import resolved_output
    from pipeline.run.summary import STEP_FAILED, USAGE

    try:
        # A run that is asked to end writes its summary first, as after Ctrl-C.
        take_signals_as_interrupts()
        if "://" in (output or ""):
            raise UserError(f"--output {output}: it is a folder on this machine's disk.")
        try:
            config, replaced = wanted.settle()
            folder = resolved_output(Path(output or RUNS / config.pipeline_name))
        except UserError as error:
            name = wanted.pipeline_name()
            if output or name:
                write_failed_summary(Path(output or RUNS / name), str(error))
            raise
        console = Console()
        if replaced:
            console.print(replaced, markup=False, highlight=False, soft_wrap=True)
        return run(config, folder, not no_cache, console)
    except UserError as error:
        return end(USAGE, f"error: {error}")
    except KeyboardInterrupt:
        return end(STEP_FAILED, "interrupted")
    except OSError as error:
        # A full disk, at the latest.
        where = f" ({error.filename})" if error.filename else ""
        return end(STEP_FAILED, f"error: the run broke off: {error.strerror or error}{where}.")
