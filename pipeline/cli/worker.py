"""`bit-tfx worker`: one of the processes that train together.

For example:

    bit-tfx worker --output gs://bucket/digits --forever
"""

from __future__ import annotations

import click

from components.terminal import run_command
from pipeline.cli.command_line import Verb

_EPILOG = """\
\b
Exit codes:
  0  the training is done
  1  it failed, here or on another worker, or none began in time
  2  usage, configuration or data
"""


@click.command(cls=Verb, epilog=_EPILOG)
@click.option(
    "--output", metavar="DIR", required=True, help="The pipeline's, which all workers see."
)
@click.option("--forever", is_flag=True, help="Serve run after run, however each of them ends.")
@click.option(
    "--timeout-s",
    metavar="SECONDS",
    type=int,
    default=3600,
    show_default=True,
    help="For a run to begin, unless --forever, and then for all its workers to come.",
)
def command(output: str, forever: bool, timeout_s: int) -> int:
    """Train together with a run on another machine.

    For training.strategy multi_worker: TF_CONFIG says which worker this is. It waits for a run,
    trains with it, and writes nothing.
    """
    from components.trainer.workers.worker import serve

    return run_command(lambda: serve(output, forever, timeout_s), goes_on=True)
