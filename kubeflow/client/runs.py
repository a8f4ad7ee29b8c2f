"""One run: it is started, waited for through a server's absence, and terminated.

>>> version = Version("pipeline-1", "version-1", "digits-5f2a", is_new=True)
>>> Request(version, "experiment-1", {"epochs": "5"}).common()["experiment_id"]
'experiment-1'
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import kfp_server_api
from rich.console import Console
from rich.text import Text

from components.errors import UserError
from kubeflow.client.errors import GoneError, UnauthorisedError, call, create
from kubeflow.client.outcome import FINAL, Task, is_settled, tasks_in
from kubeflow.client.server import Server
from kubeflow.client.uploads import Version

_MOST_FAILURES = 60
"""Polls in a row that may fail: five minutes at the usual pace."""
_MOST_REFUSALS = 3
"""Polls in a row that may be refused, each with credentials that were renewed."""

_COLOURS = {"SUCCEEDED": "green", "FAILED": "red", "RUNNING": "cyan", "SKIPPED": "dim"}


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


class UnfinishedError(Exception):
    """The waiting has ended and the run goes on; the text says why."""


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds; `timeout_s` is None for as long as it takes."""

    poll_s: float = 5.0
    timeout_s: float | None = None


def start_run(server: Server, request: Request, name: str) -> kfp_server_api.V2beta1Run:
    """Starts a run.

    Raises:
      UserError: the server refuses it, or went away so that nobody knows.
    """
    where = server.link(f"experiments/details/{request.experiment_id}")
    return create(
        "start the run",
        f"The run may have started all the same: look at {where}",
        server.runs.run_service_create_run,
        run=kfp_server_api.V2beta1Run(display_name=name, **request.common()),
    )


def terminate_run(server: Server, run_id: str) -> None:
    """Asks a run to end."""
    call("terminate the run", server.runs.run_service_terminate_run, run_id)


def wait(
    server: Server, run_id: str, names: Mapping[str, str], patience: Patience, console: Console
) -> tuple[Any, dict[str, Task]]:
    """Waits until the run has ended; returns it with its steps.

    Raises:
      UnfinishedError: the time is over, or the server is away or refuses us for too long.
    """
    start = time.monotonic()
    shown: dict[str, str] = {}
    poll = _Poll(server, run_id, patience.poll_s, console)
    ended = 0
    while True:
        run = poll.once()
        tasks = tasks_in(run, names) if run else {}
        for name, task in tasks.items():
            if shown.get(name) != task.state:
                shown[name] = task.state
                _print_change(console, time.monotonic() - start, name, task.state)
        if run and str(run.state) in FINAL:
            # The steps' ends are stored after the run's: one more look, or two.
            ended += 1
            if is_settled(run, tasks) or ended > 2:
                return run, tasks
        left_s = float("inf")
        if patience.timeout_s is not None:
            left_s = patience.timeout_s - (time.monotonic() - start)
        if left_s <= 0:
            raise UnfinishedError(f"the run has not ended after {patience.timeout_s:g} s")
        time.sleep(min(patience.poll_s, left_s))


class _Poll:
    """get_run, with what has failed so far."""

    def __init__(self, server: Server, run_id: str, poll_s: float, console: Console) -> None:
        self.server, self.run_id, self.poll_s, self.console = server, run_id, poll_s, console
        self.failures = self.refusals = 0

    def once(self) -> Any:
        """The run, or None where the server did not answer this time."""
        try:
            run = call("read the run", self.server.runs.run_service_get_run, self.run_id)
        except GoneError as error:
            self._count_failure(error)
            return None
        except UnauthorisedError as error:
            self._count_refusal(error)
            return None
        except UserError as error:
            raise UnfinishedError(str(error).rstrip(".")) from error
        if self.failures:
            self.console.print("the server answers again", soft_wrap=True)
        self.failures = self.refusals = 0
        return run

    def _count_failure(self, error: Exception) -> None:
        self.failures += 1
        sentence = str(error).rstrip(".")
        if self.failures >= _MOST_FAILURES:
            raise UnfinishedError(f"{sentence}, {self.failures} times in a row") from error
        if self.failures == 1:
            most_s = _MOST_FAILURES * self.poll_s
            self.console.print(f"{sentence}; trying for {most_s:g} s", soft_wrap=True)

    def _count_refusal(self, error: Exception) -> None:
        self.refusals += 1
        try:
            can_change = self.refusals < _MOST_REFUSALS and self.server.renew()
        except GoneError as gone:
            self._count_failure(gone)
            return
        except UserError as refused:
            raise UnfinishedError(str(refused).rstrip(".")) from refused
        if not can_change:
            raise UnfinishedError(str(error).rstrip(".")) from error


def _print_change(console: Console, seconds: float, name: str, state: str) -> None:
    minutes, rest = divmod(int(seconds), 60)
    line = Text(f"{minutes:3d}:{rest:02d}  {name:<18} ")
    line.append(state.lower(), style=_COLOURS.get(state, ""))
    console.print(line, soft_wrap=True)
