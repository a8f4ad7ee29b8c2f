"""`bit-tfx kubeflow compile|score|submit`: what their command lines take, and nothing else.

They run where the KFP SDK is: in another environment they start this module in `.venv-kfp`.

    bit-tfx kubeflow compile --preset digits --image registry/bit:1 --output digits.yaml
    bit-tfx kubeflow score --preset digits --image registry/bit:1 --output score.yaml
    bit-tfx kubeflow submit digits.yaml --host http://localhost:8080

There, `.venv-kfp/bin/python -m kubeflow.cli compile` does the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click

from components.errors import UserError
from components.terminal import run_command
from kubeflow.sdk import enter_sdk_environment
from pipeline.cli.command_line import Verb, VerbGroup, carry_out, end
from pipeline.cli.options import Wanted, config_options

if TYPE_CHECKING:
    from pipeline.config import Config

_RAW = "kubeflow.cli.arguments"
_AUTH = ("auto", "none", "token", "in-cluster", "dex")

_COMPILE_EPILOG = """\
\b
Exit codes:
  0  the package is written
  1  it could not be written
  2  usage or configuration

It prints the command that submits the package. docs/how-to/kubeflow.md describes the whole way.
"""
_SCORE_EPILOG = """\
\b
Exit codes:
  0  the package is written
  1  it could not be written
  2  usage or configuration

Options of `bit-tfx score` come after --, as in `... --output score.yaml -- --top-k 3`. A run gives
other values by `bit-tfx kubeflow submit score.yaml --param images=...`, and so model and output.
docs/how-to/scoring.md describes it.
"""
_SUBMIT_EPILOG = """\
\b
Exit codes:
  0  the run succeeded and the new model passed every gate; or what was asked for is done
     (--upload-only, --cron, --no-wait)
  1  a step failed, the run was cancelled, or the waiting ended before the run did
  2  usage, configuration or data; a server that cannot be reached or that refuses us
  3  the run is complete, and the new model was rejected by a gate

\b
Environment:
  KF_PIPELINES_ENDPOINT           the server, in place of --host
  KF_PIPELINES_UI_ENDPOINT        the UI for links, where it is not at the same URL
  KFP_TOKEN                       a bearer token
  KFP_DEX_USER, KFP_DEX_PASSWORD  a user of Dex
  KF_PIPELINES_SA_TOKEN_PATH      the pod's token for --auth in-cluster

docs/how-to/kubeflow.md says how to reach a server, and what each way of --auth needs.
"""


class SdkVerb(Verb):
    """A verb that may have to start again in another environment, and remembers its line."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Click's hook."""
        ctx.meta[_RAW] = [str(ctx.info_name), *args]
        return super().parse_args(ctx, args)


@click.group(cls=VerbGroup)
def command() -> None:
    """Compile for Kubeflow Pipelines, and run there."""


@command.command("compile", cls=SdkVerb, epilog=_COMPILE_EPILOG)
@config_options
@click.option("--image", help="kubeflow.image; best by digest: registry/bit@sha256:...")
@click.option(
    "--output", metavar="FILE", type=click.Path(path_type=Path), required=True, help="FILE.yaml"
)
@click.pass_context
def compile_command(ctx: click.Context, wanted: Wanted, image: str | None, output: Path) -> int:
    """Compile a configuration into a package for Kubeflow Pipelines."""
    from kubeflow.compile import check_config, compile_package

    config = _config_of(wanted, image, output)
    check_config(config)
    enter_sdk_environment(ctx.meta[_RAW])
    return _written(output, lambda: compile_package(config, output))


@command.command("score", cls=SdkVerb, epilog=_SCORE_EPILOG)
@config_options
@click.option("--image", help="kubeflow.image; best by digest: registry/bit@sha256:...")
@click.option("--model", metavar="DIR", help="Default: the folder serving of kubeflow.output.")
@click.option(
    "--images",
    metavar="PLACE",
    help="As of `bit-tfx score`, in the pod; without it every run gives it, as a parameter.",
)
@click.option(
    "--predictions",
    metavar="FILE.parquet",
    help="The table, in the pod; default: predictions.parquet in kubeflow.output.",
)
@click.option(
    "--output", metavar="FILE", type=click.Path(path_type=Path), required=True, help="FILE.yaml"
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- OPTIONS]")
@click.pass_context
def score_command(
    ctx: click.Context, wanted: Wanted, image: str | None, output: Path, **given: Any
) -> int:
    """Compile a batch scoring into a package of its own."""
    from kubeflow.compile import check_image, compile_scoring
    from kubeflow.scoring import Scoring, check_scoring
    from pipeline.cli.score import command as verb

    config = _config_of(wanted, image, output)
    check_image(config)
    scoring = Scoring.of(config, **given)
    check_scoring(config, scoring, verb)
    enter_sdk_environment(ctx.meta[_RAW])
    return _written(output, lambda: compile_scoring(config, scoring, output))


def _config_of(wanted: Wanted, image: str | None, output: Path) -> Config:
    from pipeline.config import load_config

    images = [f"kubeflow.image={image}"] if image else []
    config = load_config(wanted.preset, wanted.config, [*wanted.overrides, *images])
    if output.suffix not in (".yaml", ".yml"):
        raise UserError(f"--output {output}: a package's name ends in .yaml.")
    return config


def _written(output: Path, write: Callable[[], None]) -> int:
    try:
        write()
    except OSError as error:
        return end(1, f"error: {output} cannot be written: {error.strerror}.")
    return 0


@command.command("submit", cls=SdkVerb, epilog=_SUBMIT_EPILOG)
@click.argument("package", type=click.Path(path_type=Path))
@click.option(
    "--set",
    "overrides",
    metavar="SECTION.KEY=VALUE",
    multiple=True,
    help="Override one value of the configuration; may be given again.",
)
@click.option(
    "--param",
    "params",
    metavar="NAME=VALUE",
    multiple=True,
    help="A parameter of the package; may be given again.",
)
@click.option("--version-name", metavar="NAME", help="Default: from the package's content.")
@click.option("--experiment", metavar="NAME", help="Default: the pipeline's name.")
@click.option("--run-name", metavar="NAME", help="Default: the pipeline's name and the time.")
@click.option("--service-account", metavar="NAME", help="As whom the pods run.")
@click.option("--upload-only", is_flag=True, help="Upload the version, run nothing.")
@click.option("--cron", metavar='"S M H D M W"', help="Start a recurring run: seconds come first.")
@click.option(
    "--recurring-name", metavar="NAME", help="With --cron: replaces the one of this name."
)
@click.option(
    "--max-concurrency", metavar="N", type=int, help="With --cron: runs at the same time [1]."
)
@click.option("--no-catchup", is_flag=True, help="With --cron: do not make up for missed starts.")
@click.option("--no-wait", is_flag=True, help="End when the run has started.")
@click.option("--timeout", metavar="SECONDS", type=float, help="Stop waiting; the run goes on.")
@click.option("--terminate-on-interrupt", is_flag=True, help="End the run with Ctrl-C, SIGTERM.")
@click.option("--poll-seconds", type=float, default=5.0, hidden=True)
@click.option("--host", metavar="URL", help="The server, for example http://localhost:8080.")
@click.option("--namespace", metavar="NS", help="On a server of many users: whose.")
@click.option(
    "--auth", type=click.Choice(_AUTH), default="auto", help="Default: what the rest suggests."
)
@click.option("--token-file", metavar="FILE", help="Holds a bearer token; read for every request.")
@click.option("--dex-user", metavar="NAME", help="Who logs in at Dex.")
@click.option("--dex-password-file", metavar="FILE", help="Holds the password.")
@click.option("--ca-cert", metavar="FILE", help="The authority of the server's certificate.")
@click.option("--insecure", is_flag=True, help="Do not check the server's certificate.")
@click.pass_context
def submit_command(ctx: click.Context, **given: Any) -> int:
    """Upload PACKAGE to Kubeflow Pipelines, run it, and wait for the verdict."""
    options = SimpleNamespace(**given)
    if mistake := _mistake(options):
        raise click.UsageError(mistake, ctx)
    enter_sdk_environment(ctx.meta[_RAW])
    from kubeflow.submit import submit

    # What it does on the server is worth more than what it prints.
    return run_command(lambda: submit(options), goes_on=True)


def _mistake(options: Any) -> str:
    """What does not go together, as a sentence; "" where all does."""
    if not options.cron:
        for name in ("recurring_name", "max_concurrency", "no_catchup"):
            if getattr(options, name):
                return f"--{name.replace('_', '-')} goes with --cron."
    elif options.upload_only or options.run_name or options.no_wait or options.timeout is not None:
        return (
            "--cron starts no run now: it goes with none of --upload-only, --run-name, "
            "--no-wait, --timeout."
        )
    elif not options.recurring_name:
        return "--cron needs --recurring-name NAME, by which it is replaced next time."
    rules = {
        "--max-concurrency must be from 1 to 10.": 1 <= (options.max_concurrency or 1) <= 10,
        "--ca-cert and --insecure exclude each other.": not (options.ca_cert and options.insecure),
        "--timeout must be more than 0 seconds.": options.timeout is None or options.timeout > 0,
        "--poll-seconds must be more than 0.": options.poll_seconds > 0,
    }
    return next((mistake for mistake, is_right in rules.items() if not is_right), "")


if __name__ == "__main__":
    sys.exit(carry_out(command, None, "bit-tfx kubeflow"))
