"""Uploads a compiled package to Kubeflow Pipelines, runs it, and waits for the verdict."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from components.commands import module_command
from components.errors import UserError
from components.terminal import run_command
from kubeflow.braces import check_values
from kubeflow.client.auth import MODES
from kubeflow.client.schedule import check_cron
from kubeflow.sdk import enter_sdk_environment
from pipeline.cli.command_line import end, take_signals_as_interrupts
from pipeline.run.summary import COMPLETED, MODEL_REJECTED, STEP_FAILED, USAGE

if TYPE_CHECKING:
    from rich.console import Console

    from kubeflow.client.connection import About, Server
    from kubeflow.client.content import Version
    from kubeflow.client.package import Package
    from kubeflow.client.runs import Request

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

docs/how-to/kubeflow.md says how to reach a server, and what each way of --auth needs.
"""


def main(arguments: list[str] | None = None) -> int:
    """Does what the command line asks for; returns the exit code."""
    try:
        options = _parse(arguments)
        enter_sdk_environment("kubeflow.submit")
        # Whoever is asked to end says first that the run goes on, as after Ctrl-C.
        take_signals_as_interrupts()
        return _submit(options)
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
        description=__doc__,
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
    add("--auth", choices=MODES, default="auto", help="default: what the rest suggests")
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


def _submit(options: argparse.Namespace) -> int:
    from kubeflow.client.package import arguments, read_package

    for name in ("run_name", "experiment", "version_name", "recurring_name", "service_account"):
        check_values(getattr(options, name) or "", f"--{name.replace('_', '-')}")
    cron = check_cron(options.cron) if options.cron else ""
    package = read_package(options.package)
    values = arguments(package, options.params, options.overrides)

    from rich.console import Console

    from kubeflow.client.connection import namespace_of
    from kubeflow.client.content import ensure_experiment, ensure_version
    from kubeflow.client.runs import Request

    console = Console(highlight=False, markup=False, emoji=False)
    server, about = _connect(options)
    namespace = namespace_of(options.namespace, about)
    version = ensure_version(server, package, namespace, options.version_name)
    _print_version(console, server, package, version)
    if options.upload_only:
        return COMPLETED
    experiment = ensure_experiment(server, options.experiment or package.name, namespace)
    request = Request(version, experiment, values, options.service_account)
    if cron:
        return _recur(options, cron, server, about, request, namespace, console)
    return _run(options, server, package, request, console)


def _connect(options: argparse.Namespace) -> tuple[Server, About]:
    from kubeflow.client.auth import Transport, choose
    from kubeflow.client.connection import Server, host_of, proxy_for, version_warning

    host = host_of(options.host)
    if options.insecure:
        _warn(f"the certificate of {host} is not checked.")
    server = Server(
        Transport(host, options.ca_cert, options.insecure, proxy_for(host)), choose(options)
    )
    about = server.about()
    if sentence := version_warning(about):
        _warn(sentence)
    if options.namespace and not about.multi_user:
        _warn("the server has one user: --namespace is not used.")
    return server, about


def _print_version(console: Console, server: Server, package: Package, version: Version) -> None:
    made = "uploaded" if version.is_new else "on the server already"
    console.print(f"Version   {version.name} of {package.name}, {made}", soft_wrap=True)
    path = f"pipelines/details/{version.pipeline_id}/version/{version.version_id}"
    console.print(f"          {server.link(path)}", soft_wrap=True)


def _run(
    options: argparse.Namespace,
    server: Server,
    package: Package,
    request: Request,
    console: Console,
) -> int:
    from kubeflow.client.runs import start_run
    from kubeflow.client.verdict import verdict
    from kubeflow.client.watch import Patience, UnfinishedError, wait
    from pipeline.config.kubeflow import REJECTED_TASK

    name = options.run_name or f"{package.name} {datetime.now():%Y-%m-%d %H:%M:%S}"
    try:
        run = start_run(server, request, name)
    except KeyboardInterrupt:
        where = server.link(f"experiments/details/{request.experiment_id}")
        return end(STEP_FAILED, f"interrupted: the run may have started: look at {where}")
    link = server.link(f"runs/details/{run.run_id}")
    try:
        console.print(f"Run       {name} ({run.run_id})\n          {link}", soft_wrap=True)
        if options.no_wait:
            return COMPLETED
        patience = Patience(options.poll_seconds, options.timeout)
        run, tasks = wait(server, run.run_id, package.tasks, patience, console)
    except UnfinishedError as error:
        return end(STEP_FAILED, f"error: {error}. {_goes_on(server, run.run_id, link)}")
    except KeyboardInterrupt:
        return _interrupted(options, server, run.run_id, link)
    code, sentence = verdict(run, tasks, REJECTED_TASK in package.tasks)
    if code == COMPLETED:
        console.print(f"Verdict   {sentence}", soft_wrap=True)
        return code
    head = "Verdict  " if code == MODEL_REJECTED else "error:"
    return end(code, f"{head} {sentence}\n{link}")


def _interrupted(options: argparse.Namespace, server: Server, run_id: str, link: str) -> int:
    from kubeflow.client.runs import terminate_run

    if not options.terminate_on_interrupt:
        return end(STEP_FAILED, f"interrupted. {_goes_on(server, run_id, link)}")
    try:
        terminate_run(server, run_id)
    except UserError as error:
        return end(STEP_FAILED, f"interrupted: {error} {_goes_on(server, run_id, link)}")
    return end(STEP_FAILED, f"interrupted: the run is being terminated: {link}")


def _goes_on(server: Server, run_id: str, link: str) -> str:
    return (
        f"The run goes on: {link}\nTo end it: Terminate on that page, or POST to "
        f"{server.host}/apis/v2beta1/runs/{run_id}:terminate"
    )


def _recur(
    options: argparse.Namespace,
    cron: str,
    server: Server,
    about: About,
    request: Request,
    namespace: str | None,
    console: Console,
) -> int:
    from kubeflow.client.connection import is_fixed
    from kubeflow.client.runs import Schedule, others_named, retire, start_recurring

    name = options.recurring_name
    schedule = Schedule(name, cron, options.max_concurrency or 1, not options.no_catchup)
    others = others_named(server, request, name, namespace)
    made = start_recurring(server, request, schedule)
    link = server.link(f"recurringrun/details/{made.recurring_run_id}")
    console.print(f'Recurring {name}, "{cron}"\n          {link}', soft_wrap=True)
    for old in others:
        if str(old.status) == "DISABLED" and not is_fixed(about):
            continue
        try:
            fate = retire(server, old, is_fixed(about))
        except UserError as error:
            return end(
                STEP_FAILED,
                f"error: {error} The new one is there, so that two of this name may "
                "start runs now: disable the old one in the UI.",
            )
        console.print(f"          replaces {old.recurring_run_id}: {fate}", soft_wrap=True)
    return COMPLETED


def _warn(sentence: str) -> None:
    print(f"warning: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(run_command(main, goes_on=True))
