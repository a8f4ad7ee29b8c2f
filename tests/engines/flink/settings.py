"""The configuration of Flink that the pipeline's jobs were proven with, and Java's options.

docs/how-to/beam.md has the reasons and the figures; a test holds the two together.

>>> as_yaml({"parallelism.default": 2})
'parallelism.default: 2\\n'
"""

from __future__ import annotations

from collections.abc import Mapping

RECIPE: dict[str, str | int] = {
    "taskmanager.numberOfTaskSlots": 1,
    # StatisticsGen has more than a hundred vertices, each with buffers of its own.
    "taskmanager.memory.network.min": "512mb",
    "taskmanager.memory.network.max": "512mb",
    # In place of 512 buffers (16 MB) a blocking partition of every subtask.
    "taskmanager.network.sort-shuffle.min-buffers": 16,
    # A batch job has no retry of its own: `number_of_execution_retries` of Beam does nothing here.
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": 3,
    # Longer than ENVIRONMENT_CACHE_MS: a worker that died stays in the cache as long.
    "restart-strategy.fixed-delay.delay": "30 s",
    # Beam's classes from lib/, once a task manager: what caches workers is a static field of them.
    "classloader.resolve-order": "parent-first",
}
"""What an operator sets; sizes and ports of one machine come on top."""

ENVIRONMENT_CACHE_MS = 20_000
"""Beam's option `environment_cache_millis`: how long a worker that no stage uses waits for one."""

MANAGER: dict[str, str | float] = {
    "taskmanager.cpu.cores": 1.0,
    "taskmanager.memory.framework.heap.size": "128mb",
    "taskmanager.memory.task.heap.size": "512mb",
    "taskmanager.memory.framework.off-heap.size": "128mb",
    # gRPC's buffers, to and from Python.
    "taskmanager.memory.task.off-heap.size": "256mb",
    "taskmanager.memory.managed.size": "256mb",
    "taskmanager.memory.jvm-metaspace.size": "256mb",
    "taskmanager.memory.jvm-overhead.min": "192mb",
    "taskmanager.memory.jvm-overhead.max": "192mb",
}
"""The rest of a task manager's memory, which Flink's own start script would work out."""

_OPENED = ("lang", "net", "io", "nio", "lang.reflect", "text", "time", "util", "util.concurrent")
JAVA_OPTIONS = [
    *(f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in _OPENED),
    "--add-opens=java.base/java.util.concurrent.atomic=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent.locks=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-exports=java.base/sun.net.util=ALL-UNNAMED",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
]
"""As Flink's own config.yaml has them for Java 17."""


def memory_options(settings: Mapping[str, object]) -> list[str]:
    """Java's memory options of a task manager with these settings, in megabytes each."""

    def sum_mb(*names: str) -> int:
        texts = [str(settings[f"taskmanager.memory.{name}"]) for name in names]
        return sum(int(text.removesuffix("mb")) for text in texts)

    heap = sum_mb("framework.heap.size", "task.heap.size")
    direct = sum_mb("framework.off-heap.size", "task.off-heap.size", "network.max")
    return [f"-Xmx{heap}m", f"-XX:MaxDirectMemorySize={direct}m"]


def as_yaml(settings: Mapping[str, object]) -> str:
    """The text of Flink's config.yaml."""
    return "".join(f"{name}: {value}\n" for name, value in settings.items())
