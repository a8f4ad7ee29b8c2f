"""The command line of local_runner.py."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from components.errors import UserError
from pipeline.cli.command_line import add_source_options, end, take_signals_as_interrupts
from pipeline.config import load_config, pipeline_name_in
from pipeline.run.claim import write_failed_summary
from pipeline.run.local import run
from pipeline.run.output_path import resolved_output
from pipeline.run.summary import STEP_FAILED, USAGE

_EPILOG = """\
exit codes:
  0  completed: the newest version in <output>/serving is the last model that passed every gate
  1  a step failed
  2  usage, configuration, or data that cannot be had
  3  completed, and the new model was rejected by a gate

<output>/run_summary.json says how the run ended. docs/reference/configuration.md lists every key.
"""


def parse(arguments: list[str] | None, description: str | None) -> argparse.Namespace:
    """Reads the command line; a wrong one ends the process with exit code 2."""
    parser = argparse.ArgumentParser(
        prog="local_runner.py",
        description=description,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_source_options(parser)
    parser.add_argument("--output", metavar="DIR", help="default: ./runs/<pipeline name>")
    parser.add_argument(
        "--no-cache", action="store_true", help="run every step, whatever was done before"
    )
    return parser.parse_args(arguments)


def start(options: argparse.Namespace) -> int:
    """Runs what the command line asks for; returns the exit code."""
    source = (options.preset, options.config, options.overrides)
    try:
        # A run that is asked to end writes its summary first, as after Ctrl-C.
        take_signals_as_interrupts()
        if "://" in str(options.output or ""):
            raise UserError(f"--output {options.output}: it is a folder on this machine's disk.")
        try:
            config = load_config(*source)
            output = resolved_output(Path(options.output or Path("runs", config.pipeline_name)))
        except UserError as error:
            name = pipeline_name_in(*source)
            if options.output or name:
                write_failed_summary(Path(options.output or Path("runs", name)), str(error))
            raise
        return run(config, output, not options.no_cache, Console())
    except UserError as error:
        return end(USAGE, f"error: {error}")
    except KeyboardInterrupt:
        return end(STEP_FAILED, "interrupted")
    except OSError as error:
        # A full disk, at the latest.
        where = f" ({error.filename})" if error.filename else ""
        return end(STEP_FAILED, f"error: the run broke off: {error.strerror or error}{where}.")
