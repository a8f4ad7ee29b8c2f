"""The processes that train together, from TF_CONFIG.

>>> config = {
...     "cluster": {"worker": ["a:2222", "b:2222"]},
...     "task": {"type": "worker", "index": 1},
... }
>>> cluster = read_cluster({"TF_CONFIG": json.dumps(config)})
>>> cluster, cluster.is_chief
(Cluster(index=1, count=2), False)
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.errors import UserError

_ADDRESS = re.compile(r"[^\s/]+:\d+")
_FORM = (
    '{"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, "task": {"type": "worker", "index": 0}}'
)


@dataclass(frozen=True)
class Cluster:
    """The position of this process in the cluster.

    Attributes:
      index: its number; 0 is the chief.
      count: number of processes.
    """

    index: int
    count: int

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the outputs of the training."""
        return self.index == 0


def read_cluster(environment: Mapping[str, str]) -> Cluster:
    """Parses TF_CONFIG, which has TensorFlow's format.

    Args:
      environment: os.environ.

    Raises:
      UserError: it is not set, or invalid.
    """
    text = environment.get("TF_CONFIG", "")
    if not text:
        raise UserError(
            "training.strategy multi_worker: the environment variable TF_CONFIG is not set. Set it "
            f"for the Trainer step and for every other worker: {_FORM} (docs/how-to/training.md)."
        )
    try:
        values = json.loads(text)
    except ValueError as error:
        raise _malformed(f"is not JSON ({error})") from error
    return _cluster(values)


def _cluster(values: Any) -> Cluster:
    try:
        jobs, task = dict(values["cluster"]), values["task"]
        kind, index = task["type"], int(task["index"])
    except (KeyError, TypeError, ValueError) as error:
        raise _malformed("lacks cluster, task, task.type or task.index") from error
    for job, addresses in jobs.items():
        if job not in ("chief", "worker"):
            raise _malformed(f"has the job {job!r}; only chief and worker are supported")
        if not isinstance(addresses, list) or not all(map(_is_address, addresses)):
            raise _malformed(f"has {addresses!r} for {job} instead of a list of HOST:PORT")
    chiefs, workers = len(jobs.get("chief", [])), len(jobs.get("worker", []))
    if chiefs > 1:
        raise _malformed(f"has {chiefs} chiefs")
    if kind not in jobs or not 0 <= index < len(jobs[kind]):
        raise _malformed(f"has the task {kind} {index}, which is not in its cluster")
    # As TensorFlow numbers them: the chief first; without one, worker 0 is the chief.
    return Cluster(index + (chiefs if kind == "worker" else 0), chiefs + workers)


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and bool(_ADDRESS.fullmatch(value))


def _malformed(what: str) -> UserError:
    return UserError(f"TF_CONFIG {what}. Set it to {_FORM} (docs/how-to/training.md).")
