"""What a run's task details mean: the state of every step, and the exit code.

The server lists every node of the Argo workflow: `trainer` (the task), `trainer-driver` (resolves
its inputs), `executor` or `executor(0)` (its pods), `root`, `exit-handler-1`, `condition-2` and
`exit-handler-1.onExit`. Only the names that the package has are steps. A task that was not reached
is absent, or there without a state, since Argo's Omitted is none of the server's states; one whose
condition was false is SKIPPED, and the tasks inside it are absent. A terminated run ends as FAILED;
that it was asked to end is in its history alone.

    >>> from types import SimpleNamespace
    >>> run = SimpleNamespace(state="FAILED", state_history=[], error=None)
    >>> outcome(run, {"trainer": Task("FAILED", pod="digits-1")}, knows_gates=True)
    (1, "step trainer failed; the log of trainer's pod digits-1 says why.")
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.config.kubeflow import PREPARE, REJECTED_TASK
from pipeline.run.summary import COMPLETED, MODEL_REJECTED, STEP_FAILED, USAGE

FINAL = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")

_DRIVER = "-driver"
_REACHED = ("PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELING", "CANCELED", "PAUSED")


@dataclass(frozen=True)
class Task:
    """One step as the server sees it; `pod` and `error` are empty where it does not say."""

    state: str
    pod: str = ""
    error: str = ""
    by_driver: bool = False


def tasks_in(run: Any, names: Mapping[str, str]) -> dict[str, Task]:
    """The steps that the server knows of, in the order in which they started.

    Args:
      run: a V2beta1Run.
      names: a step's name by each name that a server may call it.
    """
    details = _details(run)
    found: dict[str, Task] = {}
    for detail in sorted(details, key=lambda one: str(one.start_time or one.create_time or "")):
        shown = detail.display_name or ""
        driver = shown not in names and shown.endswith(_DRIVER)
        name = names.get(shown.removesuffix(_DRIVER) if driver else shown)
        state = str(detail.state or "")
        if name is None or state not in (*_REACHED, "SKIPPED"):
            continue
        if driver:
            # A driver that goes well says nothing of its step, except that it was reached.
            if state == "FAILED" or (name == REJECTED_TASK and name not in found):
                found[name] = Task(state, detail.pod_name or "", _error(detail), True)
        else:
            found[name] = Task(state, _pod_below(detail, details), _error(detail))
    return found


def is_cancelled(run: Any) -> bool:
    """Whether somebody asked the run to end."""
    states = [str(one.state or "") for one in run.state_history or []]
    return str(run.state) == "CANCELED" or "CANCELING" in states


def is_settled(run: Any, tasks: Mapping[str, Task]) -> bool:
    """Whether the server has stored the tasks' ends too, and not just the run's."""
    return bool(tasks) and all(task.state in FINAL or task.by_driver for task in tasks.values())


def outcome(run: Any, tasks: Mapping[str, Task], knows_gates: bool) -> tuple[int, str]:
    """The exit code and the sentence of a run that has ended.

    Args:
      run: the run in a final state.
      tasks: of `tasks_in`.
      knows_gates: whether the package has the task that a rejected model shows.
    """
    rejected = REJECTED_TASK in tasks and tasks[REJECTED_TASK].state in _REACHED
    failed = {
        name: task
        for name, task in tasks.items()
        if task.state in ("FAILED", "CANCELED") and name != REJECTED_TASK
    }
    if is_cancelled(run):
        return STEP_FAILED, "the run was cancelled."
    if PREPARE in failed and not failed[PREPARE].by_driver:
        log = _log_of(PREPARE, failed[PREPARE])
        return USAGE, f"prepare failed, and it is what refuses a configuration or data; {log}"
    if failed:
        return STEP_FAILED, _failures(failed, rejected)
    if rejected:
        return MODEL_REJECTED, "a gate rejected the new model; what is served is untouched."
    if not knows_gates and str(run.state) == "SUCCEEDED":
        return COMPLETED, "every step succeeded."
    return _without_a_failure(run, known=bool(tasks))


def _without_a_failure(run: Any, known: bool) -> tuple[int, str]:
    if str(run.state) != "SUCCEEDED":
        message = run.error.message if run.error else ""
        why = f": {message}" if message else "; the server names no step that failed."
        return STEP_FAILED, f"the run ended as {run.state}{why}"
    if not known:
        return (
            STEP_FAILED,
            "the run succeeded, but the server says nothing of its tasks: whether a gate rejected "
            "the model is in the report alone.",
        )
    return COMPLETED, "the new model passed every gate."


def _failures(failed: Mapping[str, Task], rejected: bool) -> str:
    first = next(iter(failed))
    also = ", ".join(name for name in failed if name != first)
    sentence = f"step {first} failed" + (f" (then also {also})" if also else "")
    if rejected:
        sentence += ", and a gate rejected the model"
    if failed[first].by_driver:
        why = failed[first].error or "the log of its driver says why"
        return f"{sentence} before its container started: {why}."
    return f"{sentence}; {_log_of(first, failed[first])}"


def _log_of(name: str, task: Task) -> str:
    pod = f" {task.pod}" if task.pod else ""
    error = f" ({task.error})" if task.error else ""
    return f"the log of {name}'s pod{pod} says why{error}."


def _details(run: Any) -> list[Any]:
    return list((run.run_details.task_details if run.run_details else None) or [])


def _error(detail: Any) -> str:
    errors = [detail.error, *(one.error for one in detail.state_history or [])]
    return next((one.message for one in errors if one and one.message), "").rstrip(".")


def _pod_below(detail: Any, details: list[Any]) -> str:
    """The pod that ran the task last, or "": found by the hash in which both names end.

    `child_tasks` has Argo's node ids, `pod_name` the pods' names; they are the same but for the
    template's name in the middle.
    """
    by_hash = {_hash(one.pod_name): one for one in details if one.pod_name}
    pod = ""
    # A task, where it retries a node around the attempts, and the pod.
    for _ in range(3):
        children = [by_hash.get(_hash(one.pod_name)) for one in detail.child_tasks or []]
        found = [one for one in children if one and (one.display_name or "").startswith("executor")]
        if not found:
            break
        detail = found[-1]
        pod = str(detail.pod_name)
    return pod


def _hash(name: str | None) -> str:
    return (name or "").rsplit("-", 1)[-1]
