"""Uploads a compiled package to Kubeflow Pipelines, runs it, and waits for the verdict."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

from components.errors import UserError
from kubeflow.braces import check_values
from kubeflow.client.schedule import check_cron
from pipeline.cli.command_line import end, take_signals_as_interrupts
from pipeline.run.summary import COMPLETED, MODEL_REJECTED, STEP_FAILED

if TYPE_CHECKING:
    from rich.console import Console

    from kubeflow.client.connection import About, Server
    from kubeflow.client.content import Version
    from kubeflow.client.package import Package
    from kubeflow.client.runs import Request

Options = Any
"""What `kubeflow.cli.submit` takes, as attributes."""


def submit(options: Options) -> int:
    """Does what the command line asks for; returns the exit code.

    Raises:
      UserError: usage, configuration or data; a server that cannot be reached or that refuses us.
    """
    # Whoever is asked to end says first that the run goes on, as after Ctrl-C.
    take_signals_as_interrupts()
    try:
        return _submit(options)
    except KeyboardInterrupt:
        return end(STEP_FAILED, "interrupted.")
    except OSError as error:
        # The terminal is gone.
        return end(STEP_FAILED, f"error: {error.strerror or error}.")


def _submit(options: Options) -> int:
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


def _connect(options: Options) -> tuple[Server, About]:
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
    options: Options,
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


def _interrupted(options: Options, server: Server, run_id: str, link: str) -> int:
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
    options: Options,
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
