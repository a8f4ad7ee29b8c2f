"""A frozen backbone: embeddings kept between passes against all done again in every pass.

    TF_USE_LEGACY_KERAS=1 .venv/bin/python -m benchmarks.frozen

The digits preset with mode head_only, once with `cache: off` and once as it is. Where images are
augmented only the eval split's embeddings, and the images, can be kept.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks import jobs
from benchmarks.measure import Figures, alternate, arguments, conditions, ratio, table, tell, values

AGAIN, SUMMARY_FILE = "cache: off", "default"
TARGET = 1e-5
"""How far losses may be apart."""

IMAGES = {
    "as they are": [],
    "flipped and cropped": [
        "preprocessing.resize=36",
        "preprocessing.evaluate=32",
        "preprocessing.crop=32",
        "preprocessing.flip=true",
    ],
}


def epoch_s(figures: Figures) -> float:
    """Seconds of an epoch and its look, the median without the first."""
    return statistics.median(figures["epochs_s"])


def apart(one: Figures, other: Figures) -> float:
    """Largest difference of a loss, in training or at a look."""
    pairs = zip(one["rows"], other["rows"], strict=True)
    return max(abs(a[name] - b[name]) for a, b in pairs for name in ("loss", "val_loss"))


def measure(options: argparse.Namespace, images: str, folder: Path) -> dict[str, list[Figures]]:
    """All runs of both sides."""
    overrides = [
        "backbone.mode=head_only",
        "training.early_stopping_patience=null",
        f"training.epochs={options.epochs}",
        *IMAGES[images],
    ]
    config = jobs.preset("digits", folder.parent / "tfds", overrides)
    stored = jobs.copy_examples(config.data, folder / "examples")
    graph = jobs.write_graph(folder / "graph", jobs.sizes_of(config))
    sides = {
        AGAIN: partial(
            jobs.train, jobs.make_job(config, stored, graph, folder, cache="off"), folder
        ),
        SUMMARY_FILE: partial(jobs.train, jobs.make_job(config, stored, graph, folder), folder),
    }
    return alternate(sides, options.repeats)


def line(images: str, runs: dict[str, list[Figures]]) -> Sequence[str]:
    """The table's row of one kind of images."""
    again, kept = runs[AGAIN], runs[SUMMARY_FILE]
    seconds = [f"{statistics.median(values(side, epoch_s)):.3f} s" for side in (again, kept)]
    fits = ratio(kept, again, lambda run: run["fit_s"])
    worst = max(apart(one, other) for one, other in zip(again, kept, strict=True))
    return [images, *seconds, ratio(kept, again, epoch_s), fits, f"{worst:.1e}"]


def main() -> None:
    """Prints both sides and their ratio."""
    parser = arguments(__doc__, repeats=3)
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()
    before = conditions()
    runs = {}
    with tempfile.TemporaryDirectory() as name:
        jobs.prepare_digits(Path(name, "tfds"))
        for number, images in enumerate(IMAGES):
            runs[images] = measure(options, images, Path(name, str(number)))
    head = ["images", f"epoch, {AGAIN}", f"epoch, {SUMMARY_FILE}", "ratio", "of the whole fit"]
    head.append(f"losses apart (<= {TARGET:.0e})")
    tell(options, before, table(head, [line(*found) for found in runs.items()]), runs)


if __name__ == "__main__":
    main()
