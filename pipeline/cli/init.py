"""`bit-tfx init`: a configuration for a folder of images.

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
    required=True,
    help="Images: DIR/<class>/* or DIR/<split>/<class>/*.",
)
@click.option("--output", metavar="FILE", help="Default: ./<name of the folder>.yaml.")
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def command(folder: str, output: str | None, force: bool) -> int:
    """Write a configuration that fits a folder of images.

    It looks at classes, sizes and formats (by the headers of some images), and writes YAML with a
    comment on every value. `bit-tfx check` and `bit-tfx run` take the file.
    """
    from components.commands import bit_tfx
    from pipeline.inputs.fit import fit
    from pipeline.inputs.photos import look
    from pipeline.inputs.starter import starter_yaml, write_starter

    fitted = fit(look(folder))
    path = Path(output or f"{fitted.values['pipeline_name']}.yaml")
    write_starter(path, starter_yaml(fitted, path), force)
    print(f"{path}: {fitted.summary}")
    print(f"To see what it would do: {bit_tfx('check', '--config', str(path))}")
    print(f"To train:                {bit_tfx('run', '--config', str(path))}")
    return 0
