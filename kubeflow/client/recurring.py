"""Runs on a schedule: the cron expression, the recurring run, and the one that it replaces.

>>> check_cron("0 0 2 * * *")
'0 0 2 * * *'
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import kfp_server_api

from components.errors import UserError
from kubeflow.client.errors import MissingError, call, create
from kubeflow.client.runs import Request
from kubeflow.client.server import Server
from kubeflow.client.uploads import named

_FIELD = re.compile(r"^[0-9A-Za-z*/,?-]+$")
_WORDS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")


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


def check_cron(expression: str) -> str:
    """The expression with single spaces.

    Five fields are refused, not converted: the server takes them too, as seconds to month, so that
    `0 2 * * *` would run at two minutes past every hour. Whoever reads the schedule in the UI must
    see what was written here.

    Raises:
      UserError: it is no expression of six fields.
    """
    text = " ".join(expression.split())
    if text in _WORDS or re.fullmatch(r"@every ([0-9]+(h|m|s))+", text):
        return text
    fields = text.split(" ")
    if len(fields) == 5 and all(map(_FIELD.match, fields)):
        raise UserError(
            f'--cron "{text}" has five fields, and Kubeflow Pipelines starts with the seconds: '
            f'write "0 {text}".'
        )
    if len(fields) != 6 or not all(map(_FIELD.match, fields)):
        raise UserError(
            f'--cron "{text}" must have six fields: second, minute, hour, day of the month, '
            'month, day of the week; "0 0 2 * * *" is every day at two.'
        )
    return text


def others_named(server: Server, request: Request, name: str, namespace: str | None) -> list[Any]:
    """The recurring runs of this pipeline that have the name already.

    Raises:
      UserError: one of another pipeline has it.
    """
    listed = server.recurring.recurring_run_service_list_recurring_runs
    found = named("recurring_runs", name, listed, namespace=namespace or "")
    for one in found:
        reference = one.pipeline_version_reference
        if not reference or reference.pipeline_id != request.version.pipeline_id:
            raise UserError(
                f"the recurring run {name} ({one.recurring_run_id}) belongs to another pipeline: "
                "choose another --recurring-name."
            )
    return found


def start_recurring(
    server: Server, request: Request, schedule: Schedule
) -> kfp_server_api.V2beta1RecurringRun:
    """Creates a recurring run, enabled.

    Raises:
      UserError: the server refuses it, or went away so that nobody knows.
    """
    return create(
        "create the recurring run",
        "It may be there all the same, beside the one that it replaces: look at "
        f"{server.link('recurringruns')}",
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


def retire(server: Server, old: Any, may_delete: bool) -> str:
    """Ends a recurring run that another has replaced; returns how.

    Deleting one kills its runs in progress (kubeflow/pipelines#12573). Newer servers leave
    them alone when they are asked to; on one that may not know that, the old is only disabled.
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
