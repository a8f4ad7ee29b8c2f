"""`bit-tfx score`: a served model's answers for many images, as a table.

For example:

    bit-tfx score --model runs/digits/serving --images photos --output predictions.parquet
    bit-tfx score --model serving --images tfds:digits --split 'train[85%:]' --output p.parquet
"""

from __future__ import annotations

from typing import Any

import click

from pipeline.cli.command_line import Verb

_EPILOG = """\
\b
Exit codes:
  0  every image is in one of the two tables
  1  it broke off; the same command goes on with what is done
  2  usage; no model, no image, or a file that is not replaced

docs/how-to/scoring.md has the columns, and what is refused.
"""


@click.command(cls=Verb, epilog=_EPILOG)
@click.option(
    "--model",
    metavar="DIR",
    required=True,
    help="A serving folder, of which the version that serves is taken, or one version's folder; "
    "also gs://.",
)
@click.option(
    "--images",
    metavar="PLACE",
    required=True,
    help="A folder, at any depth; a pattern in quotes, 'photos/**/*.jpg'; a table of paths, .csv, "
    ".tsv or .parquet; or tfds:NAME.",
)
@click.option(
    "--output",
    metavar="FILE.parquet",
    required=True,
    help="The table; FILE.rejects.parquet beside it lists the images without an answer.",
)
@click.option("--top-k", type=click.IntRange(min=1), default=5, show_default=True, help="Classes.")
@click.option("--probabilities", is_flag=True, help="Add the probabilities of all classes.")
@click.option(
    "--sort",
    type=click.Choice(["name", "entropy"]),
    default="name",
    show_default=True,
    help="entropy: what the model is least sure of comes first, to be labelled next.",
)
@click.option("--column", metavar="NAME", help="Of a table: the one with the paths.")
@click.option("--split", metavar="SLICE", default="all", help="Of tfds: 'test', 'train[85%:]'.")
@click.option("--data-dir", metavar="DIR", help="Of tfds: where its data sets are.")
@click.option(
    "--screen",
    type=click.Choice(["header", "full"]),
    default="header",
    show_default=True,
    help="full: decode each image first, as training does, and refuse what training refuses.",
)
@click.option("--max-bytes", type=click.IntRange(min=1), help="As data.screen.max_bytes.")
@click.option("--max-pixels", type=click.IntRange(min=1), help="As data.screen.max_pixels.")
@click.option(
    "--convert",
    metavar="KIND",
    multiple=True,
    help="As data.screen.convert: webp, tiff, avif, heic, bmp, gif or cmyk; may be given again.",
)
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=64, show_default=True, help="Images."
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes, each with a model of its own.",
)
@click.option("--overwrite", is_flag=True, help="Replace the tables of another command.")
def command(
    workers: int,
    convert: tuple[str, ...],
    max_bytes: int | None,
    max_pixels: int | None,
    **given: Any,
) -> int:
    """Score many images with a served model.

    Killed and started again with the same command it goes on with what is done.
    """
    from pipeline.run.score import perform, settings_of

    limits = {"convert": convert, "max_bytes": max_bytes, "max_pixels": max_pixels}
    return perform(settings_of(limits, **given), workers)
