"""What `bit-tfx kubeflow submit` does: connect, upload, then run and wait, or schedule runs.

`bit-tfx kubeflow submit` calls it with the options of its command line:

    from kubeflow.submit import submit

    exit_code = submit(options)
"""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

from rich.console import Console

from components.errors import UserError
from kubeflow.braces import check_values
from kubeflow.client.auth import choose
from kubeflow.client.outcome import outcome
from kubeflow.client.package import Package, arguments, read_package
from kubeflow.client.recurring import Schedule, check_cron, others_named, retire, start_recurring
from kubeflow.client.runs import (
    Patience,
    Request,
    UnfinishedError,
    start_run,
    terminate_run,
    wait,
)
from kubeflow.client.server import About, Server, namespace_of
from kubeflow.client.transport import Transport, host_of, proxy_for
from kubeflow.client.uploads import ensure_experiment, ensure_version
from pipeline.cli.command_line import end, take_signals_as_interrupts
from pipeline.config.kubeflow import REJECTED_TASK
from pipeline.run.summary import COMPLETED, MODEL_REJECTED, STEP_FAILED

Options = Any
"""What `kubeflow.cli.submit_command` takes, as attributes."""


def submit(options: Options) -> int:
    """Uploads the package and starts a run, or a recurring run; returns the exit code.

    Raises:
      UserError: an option, the package or the server is not what it should be.
    """
    # A signal to end prints first that the run continues, as Ctrl-C does.
    take_signals_as_interrupts()
    try:
        return _submit(options)
    except KeyboardInterrupt:
        return end(STEP_FAILED, "interrupted.")
    except OSError as error:
        # The terminal is gone.
        return end(STEP_FAILED, f"error: {error.strerror or error}.")


def _submit(options: Options) -> int:
    for name in ("run_name", "experiment", "version_name", "recurring_name", "service_account"):
        check_values(getattr(options, name) or "", f"--{name.replace('_', '-')}")
    cron = check_cron(options.cron) if options.cron else ""
    package = read_package(options.package)
    values = arguments(package, options.params, options.overrides)

    server, about = _connect(options)
    namespace = namespace_of(options.namespace, about)
    version = ensure_version(server, package, namespace, options.version_name)
    console = Console(highlight=False, markup=False, emoji=False)
    made = "uploaded" if version.is_new else "on the server already"
    page = server.link(f"pipelines/details/{version.pipeline_id}/version/{version.version_id}")
    console.print(
        f"Version   {version.name} of {package.name}, {made}\n          {page}", soft_wrap=True
    )
    if options.upload_only:
        return COMPLETED
    experiment = ensure_experiment(server, options.experiment or package.name, namespace)
    request = Request(version, experiment, values, options.service_account)
    if not cron:
        return _run(options, server, package, request, console)
    catchup = not options.no_catchup
    schedule = Schedule(options.recurring_name, cron, options.max_concurrency or 1, catchup)
    others = others_named(server, request, schedule.name, namespace)
    return _schedule(server, request, schedule, others, about.is_fixed, console)


def _connect(options: Options) -> tuple[Server, About]:
    host = host_of(options.host)
    if options.insecure:
        _warn(f"the certificate of {host} is not checked.")
    transport = Transport(host, options.ca_cert, options.insecure, proxy_for(host))
    server = Server(transport, choose(options, transport))
    about = server.about()
    if about.warning:
        _warn(about.warning)
    if options.namespace and not about.multi_user:
        _warn("the server has one user: --namespace is not used.")
    return server, about


def _run(
    options: Options,
    server: Server,
    package: Package,
    request: Request,
    console: Console,
) -> int:
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
    code, sentence = outcome(run, tasks, REJECTED_TASK in package.tasks)
    if code == COMPLETED:
        console.print(f"Verdict   {sentence}", soft_wrap=True)
        return code
    head = "Verdict  " if code == MODEL_REJECTED else "error:"
    return end(code, f"{head} {sentence}\n{link}")


def _interrupted(options: Options, server: Server, run_id: str, link: str) -> int:
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


def _schedule(
    server: Server,
    request: Request,
    schedule: Schedule,
    others: list[Any],
    may_delete: bool,
    console: Console,
) -> int:
    made = start_recurring(server, request, schedule)
    link = server.link(f"recurringrun/details/{made.recurring_run_id}")
    console.print(f'Recurring {schedule.name}, "{schedule.cron}"\n          {link}', soft_wrap=True)
    for old in others:
        if str(old.status) == "DISABLED" and not may_delete:
            continue
        try:
            how = retire(server, old, may_delete)
        except UserError as error:
            return end(
                STEP_FAILED,
                f"error: {error} The new one is there, so that two of this name may "
                "start runs now: disable the old one in the UI.",
            )
        console.print(f"          replaces {old.recurring_run_id}: {how}", soft_wrap=True)
    return COMPLETED


def _warn(sentence: str) -> None:
    print(f"warning: {sentence}", file=sys.stderr)
