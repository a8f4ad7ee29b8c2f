"""`bit-tfx export`: a served model for other runtimes.

For example:

    bit-tfx export runs/digits/serving --format tflite-int8
"""

from __future__ import annotations

import click

from components.export.formats import FORMATS
from pipeline.cli.command_line import Verb, end


@click.command(cls=Verb)
@click.argument("model", type=click.Path())
@click.option(
    "--format",
    "format_",
    type=click.Choice(list(FORMATS)),
    required=True,
    help="What to convert to.",
)
@click.option(
    "--to",
    metavar="FOLDER",
    type=click.Path(file_okay=False),
    help="Where it is written (default: <output>/exports/<version>/<format>).",
)
@click.option(
    "--examples",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Judge it by the images of DIR/<class>/* and the gates on the model's card (default: by "
    "the examples and the gates of the run that pushed it).",
)
def command(model: str, format_: str, to: str | None, examples: str | None) -> int:
    """Convert a served model to TFLite or ONNX, and judge it before it is written.

    MODEL is a version, or a folder of versions, of which the one that serves is taken. What comes
    out of the converter answers for the images of the evaluation split in its own runtime; where it
    fails a gate nothing is written, and the exit code is 3.
    """
    import os
    import warnings

    from components.terminal import hushed
    from pipeline.run.export import Wish, export
    from pipeline.run.export_evidence import find_version

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    version = find_version(model)
    try:
        with hushed(), warnings.catch_warnings():
            # Of libraries, about themselves.
            warnings.simplefilter("ignore")
            exported = export(version, Wish(format_, to, examples))
    except OSError as error:
        return end(1, f"error: it cannot be written: {error}.")
    print("\n".join(exported.lines))
    if exported.rejected:
        return end(3, f"rejected: {'; '.join(exported.rejected)}.")
    return 0
