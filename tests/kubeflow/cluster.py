"""A cluster of one process at a time: reads a KFP package and does with it what the backend does.

The pieces follow Kubeflow Pipelines' own (backend/src/v2): inputs are resolved as its driver does,
placeholders are filled as its launcher does, conditions and exit tasks as its compiler to Argo has
them. Every task's command runs as a process of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.kubeflow.launcher import Task, collect, executor_input_of, fill, placeholders

SUCCEEDED, FAILED, SKIPPED, OMITTED = "SUCCEEDED", "FAILED", "SKIPPED", "OMITTED"
LOST = "LOST"
_CONDITION = re.compile(r"inputs\.parameter_values\['([^']+)'\] == '([^']*)'")
_DONE_WHATEVER = "ALL_UPSTREAM_TASKS_COMPLETED"


@dataclass
class Run:
    """A run: its state, and its tasks by name, those of inner DAGs among them."""

    state: str
    tasks: dict[str, Task]


@dataclass
class Cluster:
    """What a namespace holds for a run.

    Attributes:
      folder: scratch space.
      secrets: by name, values by key.
      claims: by name, the folder that is the volume.
      path: PATH of the containers.
      image_env: variables that the image sets.
      interrupt: called with each started process (task, process); returns LOST where the pod was
        deleted or went with its node, which Argo does not retry, unlike one that failed.
    """

    folder: Path
    secrets: dict[str, dict[str, str]]
    claims: dict[str, Path]
    path: str
    image_env: dict[str, str]
    interrupt: Callable[[str, subprocess.Popen], str | None] = lambda *_: None

    def run(self, package: Path, run_id: str, **parameters: Any) -> Run:
        """Runs a package to its end."""
        return _Execution(self, package, run_id, {}).start(parameters)

    def retry(self, run: Run, package: Path, run_id: str) -> Run:
        """What Retry in KFP's UI does: what succeeded stays, exit tasks among it."""
        kept = {name: task for name, task in run.tasks.items() if task.state == SUCCEEDED}
        return _Execution(self, package, run_id, kept).start({})


class _Execution:
    def __init__(self, cluster: Cluster, package: Path, run_id: str, kept: dict[str, Task]):
        text = package.read_text(encoding="utf-8")
        self.spec, platform = YAML(typ="safe", pure=True).load_all(text)
        self.cluster, self.run_id, self.kept = cluster, run_id, kept
        self.kubernetes = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        self.tasks: dict[str, Task] = {}
        self.lock = threading.Lock()

    def start(self, given: dict[str, Any]) -> Run:
        definitions = self.spec["root"]["inputDefinitions"]["parameters"]
        assert given.keys() <= definitions.keys()
        values = {name: each.get("defaultValue") for name, each in definitions.items()} | given
        # What the server keeps of a number, a text or a list is its JSON.
        values = json.loads(json.dumps(values))
        state = self._dag(self.spec["root"]["dag"], values)
        return Run(state, self.tasks)

    def _dag(self, dag: dict, inputs: dict[str, Any]) -> str:
        tasks = dag["tasks"]
        after_all = {
            name
            for name, task in tasks.items()
            if task.get("triggerPolicy", {}).get("strategy") == _DONE_WHATEVER
        }
        done: dict[str, Task] = {}
        self._graph({n: t for n, t in tasks.items() if n not in after_all}, inputs, done)
        # Argo runs them as hooks; how they end does not change how the DAG ends.
        states = [task.state for task in done.values()]
        for name in after_all:
            self._end(done, name, self._task(name, tasks[name], inputs, done))
        return FAILED if FAILED in states or OMITTED in states else SUCCEEDED

    def _graph(self, tasks: dict, inputs: dict[str, Any], done: dict[str, Task]) -> None:
        waiting, running = dict(tasks), dict[Future, str]()
        with ThreadPoolExecutor(2) as pool:
            while waiting or running:
                for name in [n for n in waiting if _upstream(waiting[n]) <= done.keys()]:
                    task = waiting.pop(name)
                    states = {done[upstream].state for upstream in _upstream(task)}
                    if states & {FAILED, OMITTED}:
                        self._end(done, name, Task(OMITTED))
                    else:
                        future = pool.submit(self._task, name, task, inputs, dict(done))
                        running[future] = name
                if running:
                    ended, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in ended:
                        self._end(done, running.pop(future), future.result())

    def _end(self, done: dict[str, Task], name: str, task: Task) -> None:
        with self.lock:
            done[name] = self.tasks[name] = task

    def _task(self, name: str, task: dict, inputs: dict[str, Any], done: dict[str, Task]) -> Task:
        given = {
            key: self._value(source, inputs, done)
            for key, source in task.get("inputs", {}).get("parameters", {}).items()
        }
        condition = task.get("triggerPolicy", {}).get("condition")
        if condition:
            parsed = _CONDITION.fullmatch(condition)
            assert parsed, condition
            if given[parsed[1]] != parsed[2]:
                return Task(SKIPPED)
        component = self.spec["components"][task["componentRef"]["name"]]
        if "dag" in component:
            return Task(self._dag(component["dag"], given))
        if name in self.kept:
            return self.kept[name]
        return self._container(name, task, component, given)

    def _value(self, source: dict, inputs: dict[str, Any], done: dict[str, Task]) -> Any:
        if "componentInputParameter" in source:
            return inputs[source["componentInputParameter"]]
        if "taskOutputParameter" in source:
            output = source["taskOutputParameter"]
            return done[output["producerTask"]].parameters[output["outputParameterKey"]]
        constant = source["runtimeValue"]["constant"]
        # The driver fills these where they are the whole value, and nowhere else.
        return self.run_id if constant == "{{$.pipeline_job_uuid}}" else constant

    def _container(self, name: str, task: dict, component: dict, given: dict[str, Any]) -> Task:
        label = component["executorLabel"]
        container = self.spec["deploymentSpec"]["executors"][label]["container"]
        policy = task.get("retryPolicy", {})
        ended, started = Task(FAILED), time.monotonic()
        for attempt in range(policy.get("maxRetryCount", 0) + 1):
            within_s = int(policy.get("backoffMaxDuration", "0s").rstrip("s"))
            if attempt and time.monotonic() - started > within_s:
                break
            folder = self.cluster.folder / self.run_id / name / f"{time.time_ns()}"
            executor_input = executor_input_of(component, given, folder, self.run_id, name)
            filled = placeholders(executor_input, folder)
            line = [fill(text, filled) for text in (*container["command"], *container["args"])]
            assert not [text for text in line if "{{$" in text], line
            code, fate = self._process(name, line, self._environment(container, label), folder)
            ended.codes.append(code)
            if code == 0:
                collect(ended, component, executor_input)
                ended.state = SUCCEEDED
            if code == 0 or fate == LOST:
                break
        return ended

    def _environment(self, container: dict, label: str) -> dict[str, str]:
        environment = {
            "PATH": self.cluster.path,
            "HOME": str(self.cluster.folder),
            **self.cluster.image_env,
            **{each["name"]: each["value"] for each in container.get("env", [])},
        }
        pod = self.kubernetes[label]
        for secret in pod.get("secretAsEnv", []):
            values = self.cluster.secrets[_name(secret)]
            for each in secret["keyToEnv"]:
                environment[each["envVar"]] = values[each["secretKey"]]
        for mount in pod.get("pvcMount", []):
            volume = self.cluster.claims[mount["constant"]]
            assert Path(mount["mountPath"]).samefile(volume)
        return environment

    def _process(
        self, name: str, line: list[str], environment: dict[str, str], folder: Path
    ) -> tuple[int, str | None]:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                line,
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            fate = self.cluster.interrupt(name, process)
            code = process.wait()
        # A pod's other processes end with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return code, fate


def _upstream(task: dict) -> set[str]:
    sources = task.get("inputs", {}).get("parameters", {}).values()
    data = {s["taskOutputParameter"]["producerTask"] for s in sources if "taskOutputParameter" in s}
    return data | set(task.get("dependentTasks", []))


def _name(secret: dict) -> str:
    return secret.get("secretName") or secret["secretNameParameter"]["runtimeValue"]["constant"]
