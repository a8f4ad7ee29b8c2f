"""The tables of `benchmarks.engines`, for its output and the pages.

runs = json.loads(Path("benchmarks/engines.json").read_text())["runs"]
print(every_table(runs))
print(bill_tables(runs))
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.bill import IMAGES, Engine, pays_from
from benchmarks.measure import ratio, table
from benchmarks.scale import (
    FLINK,
    IN_PROCESS,
    STEPS,
    Line,
    Run,
    Side,
    chosen,
    engine_of,
    line,
    median,
    peak,
    sides_of,
)

_SLOTS = (2, 8, 32, 128)
"""Of the bill."""
_ROLES = {
    "step": "the step's process", "worker": "Python worker", "taskmanager": "task manager",
    "pool": "worker pool", "jobmanager": "job manager", "jobserver": "job server",
}  # fmt: skip


def every_table(runs: Sequence[Run]) -> str:
    """All but the bill, under the conditions of the runs."""
    tables = [conditions_of(runs), steps_table(runs)]
    tables += [started_table(runs), memory_table(runs)]
    return "\n\n".join(tables)


def conditions_of(runs: Sequence[Run]) -> str:
    """The machine before the first run, and how busy it was before each."""
    loads = [run["load"] for run in runs]
    held = [run["held_to_cores"] for run in runs if "held_to_cores" in run]
    slots = "a slot has a core" if held and all(held) else "slots share the cores"
    return f"{runs[0]['conditions']}; before each {min(loads)} to {max(loads)}; {slots}"


def steps_table(runs: Sequence[Run]) -> str:
    """A row for each step, number of images and side: what its job took from start to end."""
    rows = []
    for step in STEPS:
        for images in sorted({run["images"] for run in runs}):
            for side in sides_of(runs):
                mine = [run for run in chosen(runs, side, step) if run["images"] == images]
                if not mine:
                    continue
                plain = chosen(runs, Side(IN_PROCESS, side.slots), step)
                plain = [run for run in plain if run["images"] == images]
                seconds = median(run["seconds"] for run in mine)
                cpu_s = median(run["cpu_s"] for run in mine)
                rate = mine[0]["read"] / seconds
                cells = [f"{seconds:,.1f}", f"{cpu_s:,.1f}", f"{rate:,.0f}"]
                rows.append([step, f"{images:,}", side, *cells, _ratio(plain, mine, "seconds")])
    header = ["step", "images", "side", "seconds", "CPU seconds", "images/s", "ratio"]
    return table(header, rows)


def started_table(runs: Sequence[Run]) -> str:
    """A row for each step and side: the rate without what a job costs whatever its size."""
    rows = []
    for step in STEPS:
        for side in sides_of(runs):
            lines = line(runs, side, step)
            if not lines:
                continue
            plain = line(runs, Side(IN_PROCESS, side.slots), step)
            one = line(runs, Side(side.engine, 1), step)
            upload = [run["upload_s"] for run in chosen(runs, side, step) if run["upload_s"]]
            rows.append([
                step,
                side,
                f"{1 / median(each.image_s for each in lines):,.0f}",
                _slopes(plain, lines, "image_s"),
                _slopes(plain, lines, "image_cpu_s"),
                _slopes(one, lines, "image_s"),
                f"{median(each.fixed_s for each in lines):.1f}",
                f"{median(upload):.1f}" if upload else "",
                _busiest(runs, side, step),
            ])  # fmt: skip
    header = ["step", "side", "images/s once started", "ratio", "ratio by CPU time", "times 1"]
    return table([*header, "start, s", "of it upload, s", "the busier worker's part"], rows)


def memory_table(runs: Sequence[Run]) -> str:
    """A row for each step, engine and process: its peak in MB, a column a number of images."""
    counts = sorted({run["images"] for run in runs})
    rows = []
    for step in STEPS:
        for engine in dict.fromkeys(side.engine for side in sides_of(runs)):
            for role, name in _ROLES.items():
                peaks = [peak(runs, engine, step, role, images) for images in counts]
                if any(peaks):
                    cells = [f"{peak:,.0f}" if peak else "" for peak in peaks]
                    rows.append([step, f"{engine}: {name}", *cells])
    return table(["step", "process", *(f"MB of {count:,}" for count in counts)], rows)


def bill_tables(runs: Sequence[Run]) -> str:
    """From what size on, and what `IMAGES` need, on more and more slots."""
    most = max(side.slots for side in sides_of(runs) if side.engine == IN_PROCESS)
    alone, cluster = engine_of(runs, IN_PROCESS, most), engine_of(runs, FLINK, 1)
    example_gen = max(chosen(runs, Side(FLINK, 1), STEPS[0]), key=lambda run: run["images"])
    # Two splits have a shard each that is not full.
    shard_images = example_gen["images"] / max(example_gen["shards"] - 1, 1)
    rows = [_bill_row(f"in-process, {most} cores", alone, 1, shard_images, "")]
    for slots in _SLOTS:
        size = pays_from(cluster, alone, slots)
        paying = "never" if size is None else f"{size:,.0f}"
        rows.append(_bill_row(f"Flink, {slots} slots", cluster, slots, shard_images, paying))
    header = ["side", "pays from, images", *(f"{step}, h" for step in STEPS), "together, h"]
    hours = table([*header, "cluster, GB", "step, GB"], rows)
    of_image = {name: size / example_gen["images"] for name, size in example_gen["bytes"].items()}
    storage = [
        [name, f"{size / 1_000:,.2f}", f"{size * IMAGES / 1e9:,.0f}"]
        for name, size in of_image.items()
    ]
    return f"{hours}\n\n{table(['storage', 'kB an image', f'GB of {IMAGES:,}'], storage)}"


def _bill_row(name: str, engine: Engine, slots: int, shard_images: float, pays: str) -> list[str]:
    hours = engine.hours(IMAGES, slots, shard_images)
    memory = engine.memory
    assert memory
    cluster = f"{memory.cluster_gb(slots):,.0f}" if memory.slot_mb else ""
    cells = [f"{each:,.1f}" for each in (*hours.values(), sum(hours.values()))]
    return [name, pays, *cells, cluster, f"{memory.step_gb(IMAGES):,.1f}"]


def _busiest(runs: Sequence[Run], side: Side, step: str) -> str:
    """The part of the workers' CPU time that the busiest had, on most images."""
    mine = chosen(runs, side, step)
    most = max(run["images"] for run in mine)
    parts = []
    for run in mine:
        used = [u["cpu_s"] for name, u in run["processes"].items() if name.startswith("worker")]
        if run["images"] == most and len(used) > 1:
            parts.append(max(used) / sum(used))
    return f"{median(parts):.2f}" if parts else ""


def _slopes(plain: Sequence[Line], lines: Sequence[Line], figure: str) -> str:
    pairs = min(len(plain), len(lines))
    if not pairs:
        return ""
    return ratio(plain[:pairs], lines[:pairs], lambda each: getattr(each, figure))


def _ratio(plain: Sequence[Run], runs: Sequence[Run], figure: str) -> str:
    pairs = min(len(plain), len(runs))
    return ratio(plain[:pairs], runs[:pairs], lambda run: run[figure]) if pairs else ""
