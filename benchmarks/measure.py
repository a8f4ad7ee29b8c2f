"""What benchmarks share: sides in processes of their own that take turns, ratios, tables."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.processes import high_water_mb

ROOT = Path(__file__).resolve().parent.parent

Figures = dict[str, Any]
"""What one run of one side found."""


def arguments(description: str | None, repeats: int) -> argparse.ArgumentParser:
    """A parser with what every benchmark takes."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=repeats, help="runs of each side")
    parser.add_argument("--json", type=Path, help="where the raw figures go")
    return parser


def run(module: str, given: Iterable[str], **environment: str) -> Figures:
    """Runs `python -m MODULE ... --json FILE` and returns what it wrote, with `process_s`.

    Raises:
      RuntimeError: it failed; its output is told.
    """
    variables = {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "2", **environment}
    with tempfile.TemporaryDirectory() as folder:
        target = f"{folder}/figures.json"
        command = [sys.executable, "-m", module, *given, "--json", target]
        started = time.perf_counter()
        done = subprocess.run(
            command,
            check=False,
            cwd=ROOT,
            env=os.environ | variables,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - started
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
        return {**json.loads(Path(target).read_text()), "process_s": seconds}


def alternate(
    sides: Mapping[str, Callable[[], Figures]], repeats: int, first: int = 0
) -> dict[str, list[Figures]]:
    """Runs all sides in turn, `repeats` times, every second time backwards.

    Args:
      sides: what runs one, by its name.
      repeats: how often each is run.
      first: number of the first time.
    """
    found: dict[str, list[Figures]] = {name: [] for name in sides}
    for number in range(first, first + repeats):
        for name in sides if number % 2 == 0 else reversed(list(sides)):
            print(f"{name}, run {number}", file=sys.stderr, flush=True)
            found[name].append(sides[name]())
    return found


def values(runs: Sequence[Figures], figure: Callable[[Figures], float]) -> list[float]:
    """One number a run."""
    return [figure(each) for each in runs]


def ratio(
    runs: Sequence[Figures], plain: Sequence[Figures], figure: Callable[[Figures], float]
) -> str:
    """Median of the pairwise ratios, and the lowest and the highest where there are several."""
    found = [figure(one) / figure(other) for one, other in zip(runs, plain, strict=True)]
    middle = f"{statistics.median(found):.3f}"
    return middle if len(found) == 1 else f"{middle} ({min(found):.3f} to {max(found):.3f})"


def differences(times: Sequence[float]) -> list[float]:
    """From each to the next."""
    return [end - begin for begin, end in itertools.pairwise(times)]


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def conditions(tensorflow: str = "tensorflow") -> str:
    """The machine, the libraries, the day, and how busy the machine was before.

    Args:
      tensorflow: name of the package that is installed.
    """
    python = ".".join(platform.python_version_tuple()[:2])
    return (
        f"{os.cpu_count()} cores, TensorFlow {version(tensorflow)}, Python {python}, "
        f"{date.today()}, load {os.getloadavg()[1]:.1f}"
    )


def peak_mb() -> float:
    """Most memory that this process ever held, in megabytes.

    Not getrusage's, which a process inherits from the one that started it.
    """
    return high_water_mb("self") or 0.0


def interval(values: Sequence[float]) -> str:
    """Mean over the seeds, with the 95 % interval of Student's t, in per cent."""
    from scipy.stats import t

    mean = statistics.mean(values)
    if len(values) < 2:
        return f"{100 * mean:.1f}"
    far = t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return f"{100 * mean:.1f} ({100 * (mean - far):.1f} to {100 * (mean + far):.1f})"


def tell(options: argparse.Namespace, before: str, text: str, raw: Any) -> None:
    """Prints the result under the conditions `before` it, and keeps the raw figures."""
    print(f"{before}\n\n{text}")
    write(options.json, {"conditions": before, "options": vars(options), "runs": raw})


def write(path: Path | None, figures: Any) -> None:
    """Writes figures as JSON, where there is a path."""
    if path is not None:
        path.write_text(json.dumps(figures, indent=1, default=str))
