"""`bit-tfx weights`: a backbone of the published weights of BiT.

For example:

    bit-tfx weights BiT-M-R50x1.npz weights/r50x1
"""

from __future__ import annotations

from pathlib import Path

import click

from components.backbone.architecture import PAPER_GROUPS
from pipeline.cli.command_line import Verb, end


@click.command(cls=Verb)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--sha256", metavar="HEX", help="What FILE must have.")
@click.option(
    "--groups", type=int, default=PAPER_GROUPS, show_default=True, help="Groups of every GroupNorm."
)
def command(file: Path, directory: Path, sha256: str | None, groups: int) -> int:
    """Convert published weights of BiT to a backbone.

    FILE is a .npz of google-research/big_transfer (storage.googleapis.com/bit_models). DIRECTORY,
    which must not be there yet, becomes a SavedModel that backbone.handle takes.
    """
    from components.backbone.npz import convert, describe

    try:
        architecture = convert(file, directory, sha256, groups)
    except OSError as error:
        return end(1, f"error: {directory} cannot be written: {error.strerror or error}.")
    print(describe(architecture, directory))
    return 0
