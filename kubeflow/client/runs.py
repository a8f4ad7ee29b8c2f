"""Starts runs: now, or by a schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import kfp_server_api

from components.errors import UserError
from kubeflow.client.connection import Server
from kubeflow.client.content import Version, equals
from kubeflow.client.errors import GoneError, MissingError, call


@dataclass(frozen=True)
class Request:
    """What is to run: the version with its parameters, where, and as whom."""

    version: Version
    experiment_id: str
    arguments: dict[str, Any]
    service_account: str | None = None

    def common(self) -> dict[str, Any]:
        """What a run and a recurring run have in common, for their models."""
        return {
            "experiment_id": self.experiment_id,
            "pipeline_version_reference": kfp_server_api.V2beta1PipelineVersionReference(
                pipeline_id=self.version.pipeline_id,
                pipeline_version_id=self.version.version_id,
            ),
            "runtime_config": kfp_server_api.V2beta1RuntimeConfig(parameters=self.arguments),
            "service_account": self.service_account,
        }


@dataclass(frozen=True)
class Schedule:
    """When a recurring run starts.

    Attributes:
      name: by which it is replaced.
      cron: six fields.
      max_concurrency: runs at the same time, 1 to 10.
      catchup: whether starts that were missed are made up for.
    """

    name: str
    cron: str
    max_concurrency: int = 1
    catchup: bool = True


def start_run(server: Server, request: Request, name: str) -> Any:
    """Starts a run; returns the V2beta1Run.

    Raises:
      UserError: the server refuses it, or went away so that nobody knows.
    """
    try:
        return call(
            "start the run",
            server.runs.run_service_create_run,
            run=kfp_server_api.V2beta1Run(display_name=name, **request.common()),
        )
    except GoneError as error:
        if not error.may_be_done:
            raise
        where = server.link(f"experiments/details/{request.experiment_id}")
        raise UserError(
            f"{str(error).rstrip('.')}. The run may have started all the same: look at {where} "
            "before you submit it again."
        ) from error


def terminate_run(server: Server, run_id: str) -> None:
    """Asks a run to end."""
    call("terminate the run", server.runs.run_service_terminate_run, run_id)


def others_named(server: Server, request: Request, name: str, namespace: str | None) -> list[Any]:
    """The recurring runs of this pipeline that have the name already.

    Raises:
      UserError: one of another pipeline has it.
    """
    found: list[Any] = []
    token = ""
    while True:
        page = call(
            "list recurring runs",
            server.recurring.recurring_run_service_list_recurring_runs,
            namespace=namespace or "",
            filter=equals("display_name", name),
            page_token=token,
            page_size=100,
        )
        found += page.recurring_runs or []
        token = page.next_page_token or ""
        if not token:
            break
    for one in found:
        reference = one.pipeline_version_reference
        if not reference or reference.pipeline_id != request.version.pipeline_id:
            raise UserError(
                f"the recurring run {name} ({one.recurring_run_id}) belongs to another pipeline: "
                "choose another --recurring-name."
            )
    return found


def start_recurring(server: Server, request: Request, schedule: Schedule) -> Any:
    """Creates a recurring run, enabled; returns the V2beta1RecurringRun.

    Raises:
      UserError: the server refuses it, or went away so that nobody knows.
    """
    try:
        return call(
            "create the recurring run",
            server.recurring.recurring_run_service_create_recurring_run,
            recurring_run=kfp_server_api.V2beta1RecurringRun(
                display_name=schedule.name,
                mode=kfp_server_api.RecurringRunMode.ENABLE,
                trigger=kfp_server_api.V2beta1Trigger(
                    cron_schedule=kfp_server_api.V2beta1CronSchedule(cron=schedule.cron)
                ),
                max_concurrency=str(schedule.max_concurrency),
                no_catchup=not schedule.catchup,
                **request.common(),
            ),
        )
    except GoneError as error:
        if not error.may_be_done:
            raise
        raise UserError(
            f"{str(error).rstrip('.')}. It may be there all the same, beside the one that it "
            f"replaces: look at {server.link('recurringruns')} before you submit it again."
        ) from error


def retire(server: Server, old: Any, may_delete: bool) -> str:
    """Ends a recurring run that another has replaced; says what became of it.

    Deleting one kills its runs in progress (kubeflow/pipelines#12573). Late servers leave them
    alone when they are told to; on one that may not know that the old is only disabled.
    """
    known = old.recurring_run_id
    try:
        call(
            f"disable the old recurring run {known}",
            server.recurring.recurring_run_service_disable_recurring_run,
            known,
        )
        if not may_delete:
            return "disabled (deleting it would end its runs)"
        call(
            f"delete the old recurring run {known}",
            server.recurring.recurring_run_service_delete_recurring_run,
            known,
            propagation_policy=kfp_server_api.V2beta1DeletePropagationPolicy.ORPHAN,
        )
    except MissingError:
        # Somebody else was faster.
        pass
    return "deleted; its runs go on"
