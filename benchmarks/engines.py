"""The Beam steps in-process and on Flink, as the images grow: time, memory, what a slot adds.

    TF_USE_LEGACY_KERAS=1 .venv/bin/python -m benchmarks.engines --work /data/engines
    .venv/bin/python -m benchmarks.engines --work /data/engines --report \
        --json benchmarks/engines.json
    .venv/bin/python -m tests.docs.generate      # The tables of the pages, from that file.

Seeded photographs of 500 x 375 pixels, one of a hundred files bad, in two halves: ImageExampleGen
copies all, StatisticsGen reads all, the Evaluator judges one half with a model that was trained for
a few steps. Each step is a process of its own. On Flink (tests/engines/flink, needs Java and Maven)
a cluster of one task manager, then one of two, each manager with a slot, a pool and a core of its
own, where root may make network namespaces; in-process the step has as many cores.

Every measurement is a line of `WORK/runs.jsonl` as soon as it is done, and is not done again: after
an interruption the same command goes on. What a job costs whatever its size (upload, start of the
workers, imports) is what a straight line through the smallest and the largest number of images has
at none; "once started" is its slope, in-process and on Flink alike.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.data import write_photographs
from benchmarks.engine_sides import Flink, InProcess, started
from benchmarks.engine_step import LIMITS, SPLITS
from benchmarks.engine_tables import bill_tables, conditions_of, every_table
from benchmarks.processes import Watch
from benchmarks.scale import FLINK, IN_PROCESS, STEPS, Run, Side, is_whole

_TRAINED_ON = 400


def main() -> int:
    """Measures what is missing, and prints the tables."""
    parser = measure.arguments(__doc__, 1)
    parser.add_argument("--work", type=Path, required=True, help="photographs, model and runs")
    parser.add_argument("--images", type=int, nargs="+", default=[400, 20_000, 100_000])
    parser.add_argument("--slots", type=int, nargs="+", default=[1, 2], help="and cores")
    parser.add_argument("--engines", nargs="+", default=[IN_PROCESS, FLINK], metavar="ENGINE",
                        choices=[IN_PROCESS, FLINK], help=f"{IN_PROCESS}, {FLINK}")  # fmt: skip
    parser.add_argument("--report", action="store_true", help="measure nothing")
    options = parser.parse_args()
    work = options.work.resolve()
    if not options.report:
        if lacking := _lacking(options):
            print(lacking, file=sys.stderr)
            return 2
        _measure(options, work)
    runs = read_runs(work)
    if not runs:
        print(f"{work} has no runs yet: leave --report out", file=sys.stderr)
        return 2
    print(as_text(runs))
    measure.write(options.json, {"conditions": conditions_of(runs), "runs": runs})
    return 0


def as_text(runs: list[Run]) -> str:
    """All tables."""
    return "\n\n".join([every_table(runs), *([bill_tables(runs)] if is_whole(runs) else [])])


def read_runs(work: Path) -> list[Run]:
    """What was measured so far; a line that was cut off is none."""
    found = []
    for line in _runs_file(work).read_text().splitlines() if _runs_file(work).is_file() else []:
        with contextlib.suppress(json.JSONDecodeError):
            found.append(json.loads(line))
    return found


def _runs_file(work: Path) -> Path:
    return work / "runs.jsonl"


def _lacking(options: argparse.Namespace) -> str | None:
    """What this machine lacks, as a sentence."""
    from tests.engines import packages

    cores = len(os.sched_getaffinity(0))
    if max(options.slots) > cores:
        return f"A slot has a core of its own, and there are {cores}: --slots 1 to {cores}"
    return packages.FLINK.missing() if FLINK in options.engines else None


def _measure(options: argparse.Namespace, work: Path) -> None:
    """Runs every step on every side that has no line yet."""
    conditions = measure.conditions()
    for images in options.images:
        write_photographs(work / f"photographs-{images}", images)
    model = trained_model(work)
    for side, images, repeat in _order(options):
        done = {_key(run) for run in read_runs(work)}
        left = [step for step in STEPS if (*side, images, step, repeat) not in done]
        if not left:
            continue
        with started(side, work) as engine:
            for step in left:
                print(f"{side}, {images:,} images, {step}", file=sys.stderr, flush=True)
                named = {"engine": side.engine, "slots": side.slots, "images": images}
                named |= {"step": step, "repeat": repeat, "load": round(os.getloadavg()[0], 1)}
                run = _run(engine, work, model, images, step)
                _append(work, {**named, **run, "conditions": conditions})


def _order(options: argparse.Namespace) -> Iterator[tuple[Side, int, int]]:
    """(side, images, repeat): sides in turns, every second time backwards."""
    sides = [Side(engine, slots) for engine in options.engines for slots in options.slots]
    for repeat in range(options.repeats):
        for images in options.images:
            for side in sides if repeat % 2 == 0 else reversed(sides):
                yield side, images, repeat


def _key(run: Run) -> tuple[Any, ...]:
    return run["engine"], run["slots"], run["images"], run["step"], run["repeat"]


def _append(work: Path, run: Run) -> None:
    """Adds a line; a line before it that was cut off is ended first."""
    path = _runs_file(work)
    whole = not path.is_file() or path.read_bytes()[-1:] in (b"\n", b"")
    with path.open("a") as out:
        out.write(("" if whole else "\n") + json.dumps(run) + "\n")


def _run(engine: InProcess | Flink, work: Path, model: Path, images: int, step: str) -> Run:
    """One measurement."""
    photographs, examples = work / f"photographs-{images}", work / f"examples-{images}"
    target = work / "target"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    told = {"step": step, "beam": engine.section, "target": str(target), "model": str(model),
            "photographs": str(photographs), "examples": str(examples)}  # fmt: skip
    # Every side finds the files in memory, as far as they fit.
    _read(photographs if step == STEPS[0] else examples)
    engine.settle()
    with Watch(engine.processes) as watch, engine.held():
        given = ["--one", json.dumps(told)]
        found = measure.run("benchmarks.engine_step", given, CUDA_VISIBLE_DEVICES="-1")
    began, own_cpu_s = found.pop("began"), found.pop("own_cpu_s")
    used = {role: vars(usage) for role, usage in watch.usage().items()}
    used["step"] = {"peak_mb": found.pop("peak_mb"), "cpu_s": own_cpu_s, "processes": 1}
    cpu_s = sum(each["cpu_s"] for each in used.values())
    job = engine.job()
    upload_s = job.pop("job_began") - began if "job_began" in job else None
    run = {**found, "cpu_s": cpu_s, "processes": used, "upload_s": upload_s, **job}
    _check_work(work, images, step, run)
    if step == STEPS[0] and not examples.is_dir():
        target.rename(examples)
    shutil.rmtree(target, ignore_errors=True)
    return run


def _check_work(work: Path, images: int, step: str, run: Run) -> None:
    """Checks that every side went over the same images.

    Raises:
      RuntimeError: another side counted otherwise.
    """
    for other in read_runs(work):
        same = (other["images"], other["step"]) == (images, step)
        if same and other["kept"] != run["kept"]:
            raise RuntimeError(f"{step} of {images}: {run['kept']}, and before {other['kept']}")


def trained_model(work: Path) -> Path:
    """The Trainer's model of a run of few steps; the run is made if it is not there.

    Raises:
      RuntimeError: it failed; its last lines are told.
    """
    photographs, whole = work / f"photographs-{_TRAINED_ON}", work / "model"
    write_photographs(photographs, _TRAINED_ON)
    if not whole.is_dir():
        output = work / "model-unfinished"
        shutil.rmtree(output, ignore_errors=True)
        sections = {
            "pipeline_name": "engines",
            "data": {"folder": str(photographs), "splits": SPLITS, "screen": LIMITS},
            "data_gate": {"max_reject_fraction": 0.2, "missing_classes": "report"},
            "backbone": {"handle": "bit-mini"},
            "preprocessing": {"resize": 64, "crop": 64, "flip": False},
            "training": {"schedule": {"steps": 5}, "steps_per_epoch": 5},
            "evaluation": {"min_accuracy": 0.0},
        }
        # YAML is a superset of JSON.
        config = work / "model.yaml"
        config.write_text(json.dumps(sections))
        command = [sys.executable, "local_runner.py", f"--config={config}", f"--output={output}"]
        ran = subprocess.run(command, check=False, cwd=measure.ROOT, capture_output=True, text=True)
        if ran.returncode:
            raise RuntimeError("\n".join([*command, ran.stdout[-3000:], ran.stderr[-3000:]]))
        output.rename(whole)
    models = whole / "artifacts" / "Trainer" / "model"
    return max(models.iterdir(), key=lambda folder: int(folder.name))


def _read(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            path.read_bytes()


if __name__ == "__main__":
    sys.exit(main())
