"""Our Trainer against the plain Keras script of the seed: time of a step, of all, and accuracy.

    .venv/bin/python -m benchmarks.trainer

The digits preset both ways: the same backbone, scans, batches, rates, looks at the eval split and
early stopping. Every training has a process of its own, and the two take turns, seed by seed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks import jobs
from benchmarks.measure import Figures, alternate, arguments, conditions, ratio, table, tell, values
from components.trainer.plan import make_plan

PLAIN, OURS = "plain Keras", "Trainer"
TARGETS = {"full": 1.0, "head_only": 0.8}
"""Of an epoch's time, as a ratio."""
POINTS = 0.3
"""How far mean accuracies may be apart."""

AUGMENTED = ["preprocessing.resize=36", "preprocessing.crop=32", "preprocessing.flip=true"]


def epoch_s(figures: Figures) -> float:
    """Seconds of an epoch and its look, without the first."""
    return statistics.mean(figures["epochs_s"])


def steps_s(figures: Figures) -> float:
    """Seconds of an epoch's steps alone."""
    return statistics.mean(figures["steps_s"])


def measure(options: argparse.Namespace, mode: str, folder: Path) -> dict[str, list[Figures]]:
    """All runs of both sides."""
    overrides = [f"backbone.mode={mode}", *(AUGMENTED if options.augment else ())]
    if options.epochs:
        overrides.append(f"training.epochs={options.epochs}")
    config = jobs.preset("digits", folder / "tfds", overrides)
    stored = jobs.copy_examples(config.data, folder / f"examples-{mode}")
    graph = jobs.write_graph(folder / f"graph-{mode}", jobs.sizes_of(config))
    found: dict[str, list[Figures]] = {PLAIN: [], OURS: []}
    for seed in range(options.seeds):
        training = config.training.model_copy(update={"seed": seed})
        seeded = config.model_copy(update={"training": training})
        job = jobs.make_job(seeded, stored, graph, folder)
        plan = make_plan(training, stored.num_train)
        sides: dict[str, Callable[[], Figures]] = {
            PLAIN: partial(jobs.train_plainly, seeded, plan),
            OURS: partial(jobs.train, job, folder),
        }
        for side, runs in alternate(sides, options.repeats, seed).items():
            found[side] += runs
    return found


def lines(mode: str, runs: dict[str, list[Figures]]) -> list[Sequence[str]]:
    """The table's rows of one mode."""
    plain, ours = runs[PLAIN], runs[OURS]

    def times(what: str, figure: Callable[[Figures], float], target: str = "") -> Sequence[str]:
        medians = [statistics.median(values(side, figure)) for side in (plain, ours)]
        seconds = (f"{median:.3f} s" for median in medians)
        return [mode, what, *seconds, ratio(ours, plain, figure), target]

    def accuracies(what: str, figure: Callable[[Figures], float], target: str) -> Sequence[str]:
        means = [100 * statistics.mean(values(side, figure)) for side in (plain, ours)]
        told = (f"{mean:.2f} %" for mean in means)
        return [mode, what, *told, f"{means[1] - means[0]:+.2f} points", target]

    return [
        times("epoch with its look", epoch_s, f"<= {TARGETS[mode]}"),
        times("its steps alone", steps_s),
        times("CPU time of the epoch", lambda run: statistics.mean(run["cpu_s"])),
        times("all, imports and first step too", lambda run: run["process_s"]),
        times("of that the training", lambda run: run["fit_s"]),
        [mode, "epochs until it stopped", *(
            f"{statistics.mean(len(run['rows']) for run in side):.1f}" for side in (plain, ours)
        ), "", ""],
        accuracies("val_accuracy that is kept", lambda run: run["kept"], f"within {POINTS}"),
        accuracies("val_accuracy at the end", lambda run: run["rows"][-1]["val_accuracy"], ""),
    ]  # fmt: skip


def main() -> None:
    """Prints both sides and their ratios."""
    parser = arguments(__doc__, repeats=1)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--modes", nargs="+", choices=sorted(TARGETS), default=["full", "head_only"]
    )
    parser.add_argument("--augment", action="store_true", help="the seed's flip and crop: 36 to 32")
    parser.add_argument("--epochs", type=int, help="at most; the preset's 12")
    options = parser.parse_args()
    before = conditions()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs.prepare_digits(folder / "tfds")
        runs = {mode: measure(options, mode, folder) for mode in options.modes}
    header = ["mode", "figure", PLAIN, OURS, "ratio or difference", "target"]
    rows = [line for mode, found in runs.items() for line in lines(mode, found)]
    tell(options, before, table(header, rows), runs)


if __name__ == "__main__":
    main()
