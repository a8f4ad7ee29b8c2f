"""One training by our Trainer in a process of its own, with the times of its epochs.

    .venv/bin/python -m benchmarks.ours JOB.json --json FILE

The other side of `benchmarks.seed`, under the same names.
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

from benchmarks.measure import Figures, differences, peak_mb, write
from components import progress
from components.trainer.settings import Job
from components.trainer.train import train


class Clock(logging.Handler):
    """Takes the time at the end of every epoch, its look at the eval split among it."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []
        self.cpu: list[float] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Logging's hook."""
        if getattr(record, progress.EVENT, {}).get("event") == "epoch":
            self.ends.append(time.perf_counter())
            self.cpu.append(time.process_time())


def timed(job: Job) -> Figures:
    """Trains, and tells what it took.

    Returns:
      `fit_s`: up to the end of the last epoch, the loading of the backbone among it; `epochs_s`:
      every epoch but the first, with its look; `cpu_s`: the time of all cores in them; `steps_s`:
      those without the look; `waiting`: the part of them spent waiting for input; `export_s`;
      `kept`: val_accuracy of the weights that are kept; `rows`; `peak_mb`.
    """
    clock = Clock()
    progress.LOGGER.addHandler(clock)
    progress.LOGGER.setLevel(logging.INFO)
    started = time.perf_counter()
    rows = train(job)
    ended = time.perf_counter()
    progress.LOGGER.removeHandler(clock)
    later = rows[1:]
    return {
        "fit_s": clock.ends[-1] - started,
        "export_s": ended - clock.ends[-1],
        "epochs_s": differences(clock.ends),
        "cpu_s": differences(clock.cpu),
        "steps_s": [row["seconds"] for row in later],
        "waiting": [row["waiting"] for row in later],
        "kept": next(row["val_accuracy"] for row in rows if row["restored"]),
        "rows": rows,
        "peak_mb": peak_mb(),
    }


def main() -> None:
    """Trains one job."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("job", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    write(options.json, timed(Job.model_validate_json(options.job.read_text())))


if __name__ == "__main__":
    main()
