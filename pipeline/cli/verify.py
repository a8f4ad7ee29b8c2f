"""`bit-tfx verify`: whether a pushed model is signed and what its run trained.

For example:

    bit-tfx verify runs/digits/serving --key public.pem
"""

from __future__ import annotations

import click

from pipeline.cli.command_line import Verb
from pipeline.cli.options import known_output


@click.command(cls=Verb)
@click.argument("path", required=False)
@click.option(
    "--key",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Public key in PEM of push.signing_key.",
)
@click.option(
    "--output",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Output folder that the model was pushed from (default: the one that PATH is in).",
)
def command(path: str | None, key: str | None, output: str | None) -> int:
    """Check that a pushed model is signed, and is what its run trained.

    PATH is a version or a folder of versions, of which the served one is checked (default: the
    last run's below ./runs). Its files are compared with its signature, and its files, backbone,
    data and code with ML Metadata. Exit code 3 means that something differs.
    """
    from components.errors import UserError
    from pipeline.run.layout import Layout
    from pipeline.run.summary import COMPLETED, MODEL_REJECTED
    from pipeline.run.verify import verify

    found = path or str(Layout(known_output(output)).serving)
    try:
        checks, left_out = verify(found, key, output)
    except OSError as error:
        raise UserError(f"{found} cannot be read: {error}.") from error
    for check in checks:
        print(f"{'ok  ' if check.passed else 'FAIL'}  {check.name}: {check.sentence}")
    for sentence in left_out:
        print(f"-     {sentence}")
    return COMPLETED if all(check.passed for check in checks) else MODEL_REJECTED
