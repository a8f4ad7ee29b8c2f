"""Class weights on digits cut to 1:50: what they are worth to the rare classes.

    TF_USE_LEGACY_KERAS=1 .venv/bin/python -m benchmarks.imbalance

Odd digits are rare: three scans each, of 150 of every even one. Every seed draws other scans and is
trained by the whole Trainer, with and without `class_weights: balanced`, and judged on the 270
scans of the eval split, of which half are odd. Steps, rate and order are the same in both.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score, recall_score

from benchmarks import jobs, records
from benchmarks.measure import Figures, arguments, conditions, interval, table, tell
from benchmarks.ours import timed

MODES = ("head_only", "full")
WEIGHTS = {"null": "alike", "balanced": "balanced"}
FREQUENT, RARE = 150, 3
RARE_CLASSES = (1, 3, 5, 7, 9)
FIGURES = ("rare recall", "frequent recall", "balanced accuracy", "macro-F1", "accuracy")


def cut(examples: records.Labelled, seed: int) -> records.Labelled:
    """Draws the scans of one seed."""
    labels = np.array([label for _, label in examples])
    random = np.random.default_rng(seed)
    wanted = [
        random.permutation(np.flatnonzero(labels == label))[
            : RARE if label in RARE_CLASSES else FREQUENT
        ]
        for label in range(10)
    ]
    return [examples[place] for place in np.sort(np.concatenate(wanted))]


def judged(labels: Sequence[int], predicted: Sequence[int]) -> Figures:
    """Figures of one model on the eval split."""
    recalls = recall_score(labels, predicted, average=None)
    rare = np.isin(np.arange(10), RARE_CLASSES)
    values = (
        *(recalls[rare].mean(), recalls[~rare].mean(), recalls.mean()),
        *(f1_score(labels, predicted, average="macro"), np.equal(labels, predicted).mean()),
    )
    return dict(zip(FIGURES, map(float, values), strict=True))


def trainings(options: argparse.Namespace, folder: Path) -> Iterator[Figures]:
    """One by one."""
    import tf_keras as keras

    jobs.prepare_digits(folder / "tfds")
    plain = jobs.preset("digits", folder / "tfds")
    whole = jobs.copy_examples(plain.data, folder / "whole")
    graph = jobs.write_graph(folder / "graph", jobs.sizes_of(plain))
    train, evaluation = (records.read_examples(whole.files(s)) for s in ("train", "eval"))
    labels = [label for _, label in evaluation]
    for seed in range(options.repeats):
        own = cut(train, seed)
        stored = jobs.Stored(folder / f"{seed}", whole.class_names, len(own), len(evaluation))
        records.write_examples(stored.folder, "train", own)
        records.write_examples(stored.folder, "eval", evaluation)
        for mode in options.modes:
            for weights in WEIGHTS:
                steps = options.steps
                config = jobs.preset(
                    "digits",
                    folder / "tfds",
                    [
                        f"backbone.mode={mode}",
                        f"training.class_weights={weights}",
                        f"training.schedule={{steps: {steps}, warmup: {steps // 10}, "
                        "decay: cosine}",
                        # One look, after the last step, whose weights are kept.
                        f"training.steps_per_epoch={steps}",
                        "training.early_stopping_patience=null",
                        f"training.seed={seed}",
                    ],
                )
                job = jobs.make_job(config, stored, graph, folder / f"{seed}-{mode}-{weights}")
                figures = timed(job)
                keras.backend.clear_session()
                found = judged(labels, records.predicted(job.serving_model, evaluation).tolist())
                yield {"mode": mode, "weights": weights, "seed": seed, **found, **figures}


def result(runs: Sequence[Figures]) -> str:
    """Every mode, with and without weights, and the difference seed by seed."""
    rows = []
    for mode in dict.fromkeys(run["mode"] for run in runs):
        of_mode = [
            [run for run in runs if (run["mode"], run["weights"]) == (mode, each)]
            for each in WEIGHTS
        ]
        for name, found in zip(WEIGHTS.values(), of_mode, strict=True):
            rows.append(
                [mode, name, *(interval([run[figure] for run in found]) for figure in FIGURES)]
            )
        differences = [
            interval([one[figure] - other[figure] for other, one in zip(*of_mode, strict=True)])
            for figure in FIGURES
        ]
        rows.append([mode, "difference", *differences])
    return table(["mode", "weights", *(f"{figure}, %" for figure in FIGURES)], rows)


def main() -> None:
    """Trains all, and writes the table."""
    parser = arguments(__doc__, repeats=5)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--steps", type=int, default=144, help="of 64 scans")
    options = parser.parse_args()
    before, runs = conditions(), []
    with tempfile.TemporaryDirectory() as folder:
        for run in trainings(options, Path(folder)):
            runs.append(run)
            what = " ".join(str(run[name]) for name in ("mode", "weights", "seed"))
            print(f"{what}: {run['rare recall']:.3f}", file=sys.stderr, flush=True)
    tell(options, before, result(runs), runs)


if __name__ == "__main__":
    main()
