"""What Flink says of itself over REST: its task managers, its jobs, and who did how much of each.

rest = Rest("http://localhost:8081")
for job in rest.jobs():
    print(job["state"], rest.records_read(job["jid"]))
"""

from __future__ import annotations

import collections
import json
import urllib.error
import urllib.request
from typing import Any


class Rest:
    """A job manager's REST interface."""

    def __init__(self, address: str):
        self.address = address

    def get(self, path: str, method: str = "GET") -> Any:
        """The answer to one request, from JSON."""
        request = urllib.request.Request(f"{self.address}{path}", method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def managers(self) -> list[str]:
        """Ids of the task managers that have reported; empty where nobody answers yet."""
        try:
            found = self.get("/taskmanagers")["taskmanagers"]
        except (OSError, urllib.error.URLError, KeyError, ValueError):
            return []
        return sorted(each["id"] for each in found)

    def jobs(self) -> list[dict[str, Any]]:
        """Every job that the cluster remembers, oldest first: `jid`, `name`, `state`, ..."""
        found = self.get("/jobs/overview")["jobs"]
        return sorted(found, key=lambda job: job["start-time"])

    def records_read(self, job: str) -> dict[str, int]:
        """Records that the subtasks of a job read, over all its vertices, by task manager."""
        records: collections.Counter[str] = collections.Counter()
        for vertex in self.get(f"/jobs/{job}")["vertices"]:
            for subtask in self.get(f"/jobs/{job}/vertices/{vertex['id']}")["subtasks"]:
                records[subtask["taskmanager-id"]] += subtask["metrics"]["read-records"]
        return dict(records)
