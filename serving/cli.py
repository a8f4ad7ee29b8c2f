"""`bit-tfx serve`: what its command line takes.

    bit-tfx serve runs/digits/serving --port 8080
    bit-tfx serve --output runs/digits --log-requests requests --sample 0.1

It starts this module again in `.venv-serve`; there, `.venv-serve/bin/python -m serving.cli` does
the same.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from pipeline.cli.command_line import Verb, carry_out
from pipeline.cli.options import known_output, output_option

_RAW = "serving.cli.arguments"

_EPILOG = """\
\b
Exit codes:
  0  a signal ended it, and every accepted request was answered
  1  the server failed
  2  usage, no version that can be served, or a port in use

docs/how-to/serving.md shows the requests, and how to run it in a container.
"""


class _ServeVerb(Verb):
    """Remembers its line for the other environment."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Click's hook."""
        ctx.meta[_RAW] = list(args)
        return super().parse_args(ctx, args)


@click.command(cls=_ServeVerb, epilog=_EPILOG)
@click.argument("folder", required=False, type=click.Path())
@output_option
@click.option("--port", type=click.IntRange(1, 65535), default=8080, help="Of REST [8080].")
@click.option(
    "--grpc-port", type=click.IntRange(0, 65535), default=8081, help="Of gRPC [8081]; 0: none."
)
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    help="To listen at [127.0.0.1]; 0.0.0.0: for other machines too.",
)
@click.option(
    "--tls-cert",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Certificate, PEM: REST and gRPC by TLS alone.",
)
@click.option(
    "--tls-key", metavar="FILE", type=click.Path(dir_okay=False), help="Its private key, PEM."
)
@click.option("--name", metavar="NAME", help="In URLs (default: that of the model's card).")
@click.option(
    "--poll-seconds",
    metavar="S",
    type=click.FloatRange(0.05),
    default=1.0,
    help="Between looks at the folder [1].",
)
@click.option(
    "--max-batch",
    metavar="N",
    type=click.IntRange(1),
    default=64,
    help="Images that the model is asked for at once [64].",
)
@click.option(
    "--max-wait-ms",
    metavar="MS",
    type=click.FloatRange(0),
    default=2.0,
    help="That a batch waits for others, under load [2].",
)
@click.option(
    "--max-queue",
    metavar="N",
    type=click.IntRange(1),
    default=1024,
    help="Images that wait; more are refused with 503 [1024].",
)
@click.option(
    "--max-instances",
    metavar="N",
    type=click.IntRange(1),
    default=256,
    help="Images of one request [256].",
)
@click.option(
    "--max-body-mb",
    metavar="MB",
    type=click.FloatRange(0.001),
    default=32.0,
    help="Size of one request [32].",
)
@click.option(
    "--key",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Serve only versions that are signed with this public key's private key.",
)
@click.option(
    "--log-requests",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Log requests to Parquet files in DIR.",
)
@click.option(
    "--sample",
    metavar="SHARE",
    type=click.FloatRange(0, 1),
    help="Of the requests that is logged [1].",
)
@click.option("--log-images", is_flag=True, help="Log the images too.")
@click.pass_context
def command(
    ctx: click.Context, folder: str | None, output: str | None, name: str | None, **given: Any
) -> int:
    """Serve the highest version in FOLDER, and every one that is pushed or rolled back to.

    FOLDER is that of the versions, also gs://; without it, the one below --output.
    """
    from components.storage import as_path
    from pipeline.run.layout import Layout
    from serving.settings import LogSettings, Settings, Tls

    if folder is not None and output is not None:
        raise click.UsageError("FOLDER and --output exclude each other.", ctx)
    if given["log_requests"] is None and (given["sample"] is not None or given["log_images"]):
        raise click.UsageError("--sample and --log-images go with --log-requests.", ctx)
    if given["port"] == given["grpc_port"]:
        raise click.UsageError("--port and --grpc-port must differ.", ctx)
    if (given["tls_cert"] is None) != (given["tls_key"] is None):
        raise click.UsageError("--tls-cert and --tls-key go together.", ctx)
    if given["max_queue"] < given["max_instances"]:
        raise click.UsageError("--max-queue must be at least --max-instances.", ctx)
    if name is not None and (not name or set(name) & set("/:?#% ")):
        raise click.UsageError(f"--name {name!r} cannot stand in a URL.", ctx)
    log = None
    if given["log_requests"] is not None:
        share = 1.0 if given["sample"] is None else given["sample"]
        log = LogSettings(given["log_requests"], share, given["log_images"])
    place = as_path(folder) if folder is not None else Layout(known_output(output)).serving
    settings = Settings(
        place,
        name or "",
        port=given["port"],
        grpc_port=given["grpc_port"],
        host=given["host"],
        tls=None if given["tls_cert"] is None else Tls(given["tls_cert"], given["tls_key"]),
        poll_s=given["poll_seconds"],
        max_body_bytes=int(given["max_body_mb"] * 1e6),
        max_instances=given["max_instances"],
        max_batch=given["max_batch"],
        max_wait_s=given["max_wait_ms"] / 1e3,
        max_queue=given["max_queue"],
        log=log,
        key=given["key"],
    )
    from serving.environment import enter_serving_environment
    from serving.server import check, serve

    check(settings)
    enter_serving_environment(ctx.meta[_RAW])
    serve(settings)
    return 0


if __name__ == "__main__":
    sys.exit(carry_out(command, None, "bit-tfx serve"))
