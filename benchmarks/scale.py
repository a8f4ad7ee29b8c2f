"""What the runs of `benchmarks.engines` say: lines through them, and the costs of an engine.

A run is one line of its file: one step on one side, with so many images.

>>> runs = [
...     {"engine": "Flink", "slots": 1, "images": n, "step": "Evaluator", "repeat": 0,
...      "read": n // 2, "seconds": 20 + n / 100, "cpu_s": 25 + n / 50, "upload_s": 3.0,
...      "processes": {"worker-0": {"peak_mb": 700, "cpu_s": 9, "processes": 1}}}
...     for n in (400, 20_000)
... ]
>>> line(runs, Side("Flink", 1), "Evaluator")
[Line(fixed_s=20.0, image_s=0.02, image_cpu_s=0.04)]
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from benchmarks.bill import EVAL_PART, Engine, Memory, StepCost

STEPS = ("ImageExampleGen", "StatisticsGen", "Evaluator")
IN_PROCESS, FLINK = "in-process", "Flink"

Run = dict[str, Any]


class Side(NamedTuple):
    """What runs a step.

    Attributes:
      engine: `IN_PROCESS` or `FLINK`.
      slots: that it has; cores, in-process.
    """

    engine: str
    slots: int

    def __str__(self) -> str:
        unit = "core" if self.engine == IN_PROCESS else "slot"
        return f"{self.engine}, {self.slots} {unit}{'s' if self.slots > 1 else ''}"


class Line(NamedTuple):
    """Time of a step as a straight line through its smallest and largest run.

    Attributes:
      fixed_s: with no image.
      image_s: more for each.
      image_cpu_s: CPU time more for each, of all processes.
    """

    fixed_s: float
    image_s: float
    image_cpu_s: float


def sides_of(runs: Iterable[Run]) -> list[Side]:
    """Those that were measured, in-process first."""
    found = {Side(run["engine"], run["slots"]) for run in runs}
    return sorted(found, key=lambda side: (side.engine != IN_PROCESS, side.slots))


def chosen(runs: Iterable[Run], side: Side, step: str) -> list[Run]:
    """The runs of one step on one side."""
    return [
        run for run in runs
        if (run["engine"], run["slots"], run["step"]) == (*side, step)
    ]  # fmt: skip


def line(runs: Sequence[Run], side: Side, step: str) -> list[Line]:
    """One for each repeat that has the smallest and the largest number of images."""
    mine = {(run["repeat"], run["images"]): run for run in chosen(runs, side, step)}
    counts = {images for _, images in mine}
    if len(counts) < 2:
        return []
    found = []
    for repeat in sorted({repeat for repeat, _ in mine}):
        small, large = (mine.get((repeat, images)) for images in (min(counts), max(counts)))
        if small and large:
            more = large["read"] - small["read"]
            image_s = (large["seconds"] - small["seconds"]) / more
            image_cpu_s = (large["cpu_s"] - small["cpu_s"]) / more
            found.append(Line(small["seconds"] - small["read"] * image_s, image_s, image_cpu_s))
    return found


def is_whole(runs: Sequence[Run]) -> bool:
    """Whether there is enough for a bill: both engines, each step with two numbers of images."""
    sides = sides_of(runs)
    engines = {side.engine for side in sides}
    first = {Side(FLINK, 1), *(side for side in sides if side.engine == IN_PROCESS)}
    return engines == {IN_PROCESS, FLINK} and all(
        line(runs, side, step) for side in first for step in STEPS
    )


def engine_of(runs: Sequence[Run], engine: str, slots: int) -> Engine:
    """An engine's measured costs and peaks.

    Args:
      runs: all.
      engine: its name.
      slots: of the side that is its first slot; the side of most says what a further one gains.
    """
    most = max(side.slots for side in sides_of(runs) if side.engine == engine)
    steps = {}
    for step in STEPS:
        lines, fastest = (line(runs, Side(engine, count), step) for count in (slots, most))
        image_s = median(each.image_s for each in lines)
        gain = 1.0
        if most > slots and fastest:
            speed = image_s / median(each.image_s for each in fastest)
            gain = (speed - 1) / (most / slots - 1)
        fixed_s = max(median(each.fixed_s for each in lines), 0.0)
        part = EVAL_PART if step == STEPS[-1] else 1.0
        steps[step] = StepCost(part, fixed_s, image_s, min(max(gain, 0.0), 1.0))
    return Engine(steps, _memory(runs, engine))


def _memory(runs: Sequence[Run], engine: str) -> Memory:
    """The highest peak of any step; only the step's own process is taken to grow."""
    counts = sorted({run["images"] for run in runs if run["engine"] == engine})

    def most_of(role: str, images: int) -> float:
        return max(peak(runs, engine, step, role, images) for step in STEPS)

    least, most = counts[0], counts[-1]
    grown = max(most_of("step", most) - most_of("step", least), 0.0) / max(most - least, 1)
    return Memory(
        slot_mb=most_of("worker", most) + most_of("taskmanager", most) + most_of("pool", most),
        cluster_mb=most_of("jobmanager", most) + most_of("jobserver", most),
        step_mb=most_of("step", least) - least * grown,
        step_image_mb=grown,
    )


def peak(runs: Sequence[Run], engine: str, step: str, role: str, images: int) -> float:
    """The most memory of any process of a role in MB, on any number of slots; 0 for none."""
    return max(
        (
            used["peak_mb"]
            for run in runs
            if (run["engine"], run["step"], run["images"]) == (engine, step, images)
            for name, used in run["processes"].items()
            if name.partition("-")[0] == role
        ),
        default=0.0,
    )


def median(values: Iterable[float]) -> float:
    """The middle one."""
    return statistics.median(values)
