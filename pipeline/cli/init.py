"""`bit-tfx init`: a configuration for a folder or a table of images.

For example:

    bit-tfx init --folder photos --output photos.yaml
"""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.command_line import Verb


@click.command(cls=Verb)
@click.option(
    "--folder",
    metavar="DIR",
    type=click.Path(),
    help="Images: DIR/<class>/* or DIR/<split>/<class>/*.",
)
@click.option(
    "--table",
    metavar="FILE",
    type=click.Path(),
    help="In place of --folder: a CSV, JSONL or Parquet file that names or holds images.",
)
@click.option(
    "--set",
    "overrides",
    metavar="data.table.KEY=COLUMN",
    multiple=True,
    help="A column of the table: image, label or split; may be given again.",
)
@click.option("--output", metavar="FILE", help="Default: ./<name of the folder>.yaml.")
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def command(
    folder: str | None,
    table: str | None,
    overrides: tuple[str, ...],
    output: str | None,
    force: bool,
) -> int:
    """Write a configuration that fits a folder or a table of images.

    It looks at classes, sizes and formats (by the headers of some images), and writes YAML with a
    comment on every value. `bit-tfx check` and `bit-tfx run` take the file.
    """
    from components.commands import bit_tfx
    from pipeline.inputs.own_source import OwnSource, fitted_to
    from pipeline.inputs.starter import starter_yaml, write_starter

    if bool(folder) == bool(table):
        raise click.UsageError("give one of --folder and --table.")
    wrong = [each for each in overrides if not (table and each.startswith("data.table."))]
    if wrong:
        raise click.UsageError(f"--set {wrong[0]}: init takes data.table.KEY=COLUMN of --table.")
    fitted = fitted_to(OwnSource(folder=folder, table=table), overrides)
    path = Path(output or f"{fitted.values['pipeline_name']}.yaml")
    write_starter(path, starter_yaml(fitted, path), force)
    print(f"{path}: {fitted.summary}")
    print(f"To see what it would do: {bit_tfx('check', '--config', str(path))}")
    print(f"To train:                {bit_tfx('run', '--config', str(path))}")
    return 0
