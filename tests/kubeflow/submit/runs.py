"""What KFP's API shows of a run of our package: every node of the workflow, not just our steps.

As backend/src/common/util/workflow.go and api_converter.go of KFP make it: display names are the
nodes', `child_tasks` has node ids, and Omitted, which is no state of the API, is unspecified.
"""

from __future__ import annotations

from typing import Any

PASSED = {
    "prepare": "SUCCEEDED",
    "trainer": "SUCCEEDED",
    "evaluator": "SUCCEEDED",
    "finish": "SUCCEEDED",
}


def shown(
    state: str,
    tasks: dict[str, str] | None = None,
    rejected: str | None = None,
    drivers: dict[str, str] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A run's state and details.

    Args:
      state: the run's.
      tasks: each step's state; OMITTED for one that was not reached.
      rejected: the state of model-rejected, inside its condition; None for a model that passed.
      drivers: states of drivers other than SUCCEEDED.
      more: other fields of the run.
    """
    details = [_node("root-driver", "SUCCEEDED"), _node("root", state)]
    for name, task_state in (tasks or {}).items():
        details += _task(name, task_state, (drivers or {}).get(name, "SUCCEEDED"))
    details.append(_node("exit-handler-1", state))
    details.append(_node("exit-handler-1.onExit", state))
    details.append(_node("condition-2-driver", "SUCCEEDED"))
    details.append(_node("condition-2", "SKIPPED" if rejected is None else rejected))
    if rejected is not None:
        details += _task("model-rejected", rejected, "SUCCEEDED")
    return {"state": state, "run_details": {"task_details": details}, **more}


def pod_of(name: str) -> str:
    """The name of the pod that runs a step."""
    return f"flowers-x7-system-container-impl-{_hash(name)}"


def _task(name: str, state: str, driver: str) -> list[dict[str, Any]]:
    nodes = [_node(f"{name}-driver", driver)]
    if state == "OMITTED":
        return [*nodes, _node(name, "RUNTIME_STATE_UNSPECIFIED")]
    task = _node(name, state)
    pod = _node("executor", state)
    pod["pod_name"] = pod_of(name)
    task["child_tasks"] = [{"pod_name": f"flowers-x7-{_hash(name)}"}]
    return [*nodes, task, pod]


def _node(name: str, state: str) -> dict[str, Any]:
    return {
        "run_id": "r1",
        "task_id": f"task-{name}",
        "display_name": name,
        "create_time": "2026-11-25T03:00:00Z",
        "start_time": "2026-11-25T03:00:01Z",
        "end_time": "1970-01-01T00:00:00Z",
        "state": state,
        "state_history": [{"update_time": "2026-11-25T03:00:02Z", "state": state}],
        "pod_name": f"flowers-x7-{name}",
    }


def _hash(name: str) -> str:
    return str(sum(name.encode()))
