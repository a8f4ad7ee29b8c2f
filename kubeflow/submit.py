"""Uploads a compiled package to Kubeflow Pipelines, runs it, and waits for the verdict.

.venv/bin/python -m kubeflow.submit flowers.yaml --host http://localhost:8080
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from components.commands import module_command
from components.errors import UserError
from components.terminal import run_command
from kubeflow.sdk import enter_sdk_environment
from pipeline.cli.command_line import end, take_signals_as_interrupts
from pipeline.run.summary import STEP_FAILED, USAGE

_AUTH = ("auto", "none", "token", "in-cluster", "dex")

_EPILOG = """\
exit codes:
  0  the run succeeded and the new model passed every gate; or what was asked for is done
     (--upload-only, --cron, --no-wait)
  1  a step failed, the run was cancelled, or the waiting ended before the run did
  2  usage, configuration or data; a server that cannot be reached or that refuses us
  3  the run is complete, and the new model was rejected by a gate

environment:
  KF_PIPELINES_ENDPOINT           the server, in place of --host
  KF_PIPELINES_UI_ENDPOINT        the UI for links, where it is not at the same URL
  KFP_TOKEN                       a bearer token
  KFP_DEX_USER, KFP_DEX_PASSWORD  a user of Dex
  KF_PIPELINES_SA_TOKEN_PATH      the pod's token for --auth in-cluster

docs/kubeflow.md says how to reach a server, and what each way of --auth needs.
"""


def main(arguments: list[str] | None = None) -> int:
    """Does what the command line asks for; returns the exit code."""
    try:
        options = _parse(arguments)
        enter_sdk_environment("kubeflow.submit")
        # Whoever is asked to end says first that the run goes on, as after Ctrl-C.
        take_signals_as_interrupts()
        from kubeflow.client.submit import submit

        return submit(options)
    except UserError as error:
        return end(USAGE, f"error: {error}")
    except KeyboardInterrupt:
        return end(STEP_FAILED, "interrupted.")
    except OSError as error:
        # The terminal is gone.
        return end(STEP_FAILED, f"error: {error.strerror or error}.")


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=module_command("kubeflow.submit"),
        description=(__doc__ or "").split("\n", maxsplit=1)[0],
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("package", type=Path, help="written by kubeflow.compile")
    add = parser.add_argument_group("what runs").add_argument
    add(
        "--set",
        metavar="SECTION.KEY=VALUE",
        action="append",
        default=[],
        dest="overrides",
        help="override one value of the configuration; may be given again",
    )
    add(
        "--param",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        dest="params",
        help="a parameter of the package; may be given again",
    )
    add("--version-name", metavar="NAME", help="default: from the package's content")
    add("--experiment", metavar="NAME", help="default: the pipeline's name")
    add("--run-name", metavar="NAME", help="default: the pipeline's name and the time")
    add("--service-account", metavar="NAME", help="as whom the pods run")
    add("--upload-only", action="store_true", help="upload the version, run nothing")
    add = parser.add_argument_group("on a schedule").add_argument
    add("--cron", metavar='"S M H D M W"', help="start a recurring run: six fields, seconds first")
    add("--recurring-name", metavar="NAME", help="replaces the one of this name")
    add("--max-concurrency", metavar="N", type=int, help="runs at the same time (default: 1)")
    add("--no-catchup", action="store_true", help="do not make up for missed starts")
    add = parser.add_argument_group("waiting").add_argument
    add("--no-wait", action="store_true", help="end when the run has started")
    add("--timeout", metavar="SECONDS", type=float, help="stop waiting; the run goes on")
    add("--terminate-on-interrupt", action="store_true", help="end the run with Ctrl-C, SIGTERM")
    add("--poll-seconds", type=float, default=5.0, help=argparse.SUPPRESS)
    _add_server_options(parser)
    options = parser.parse_args(arguments)
    _check(parser, options)
    return options


def _add_server_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("the server").add_argument
    add("--host", metavar="URL", help="for example http://localhost:8080")
    add("--namespace", metavar="NS", help="on a server of many users: whose")
    add("--auth", choices=_AUTH, default="auto", help="default: what the rest suggests")
    add("--token-file", metavar="FILE", help="holds a bearer token; read for every request")
    add("--dex-user", metavar="NAME", help="who logs in at Dex")
    add("--dex-password-file", metavar="FILE", help="holds the password")
    add("--ca-cert", metavar="FILE", help="the authority of the server's certificate")
    add("--insecure", action="store_true", help="do not check the server's certificate")


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if not options.cron:
        for name in ("recurring_name", "max_concurrency", "no_catchup"):
            if getattr(options, name):
                parser.error(f"--{name.replace('_', '-')} goes with --cron")
    elif options.upload_only or options.run_name or options.no_wait or options.timeout is not None:
        parser.error(
            "--cron starts no run now: it goes with none of --upload-only, --run-name, "
            "--no-wait, --timeout"
        )
    else:
        if not options.recurring_name:
            parser.error("--cron needs --recurring-name NAME, by which it is replaced next time")
        if not 1 <= (options.max_concurrency or 1) <= 10:
            parser.error("--max-concurrency must be from 1 to 10")
    if options.ca_cert and options.insecure:
        parser.error("--ca-cert and --insecure exclude each other")
    if options.poll_seconds <= 0 or (options.timeout is not None and options.timeout <= 0):
        parser.error("--timeout must be more than 0 seconds")


if __name__ == "__main__":
    sys.exit(run_command(main, goes_on=True))
