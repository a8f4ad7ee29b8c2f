"""A full-size R50x1, all of it fine-tuned: time of a step and memory against plain Keras.

    TF_USE_LEGACY_KERAS=1 .venv/bin/python -m benchmarks.r50

Random weights under the interface of google/bit/m-r50x1, drawn photographs (tests/drawn.py) at
224 px, batches of 8. What the Trainer leaves is then asked in a process that has TensorFlow alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks import jobs
from benchmarks.measure import Figures, alternate, arguments, conditions, ratio, table, tell, values
from components.trainer.plan import make_plan

PLAIN, OURS = "plain Keras", "Trainer"
TARGET = 1.05
"""Of an epoch's time, as a ratio."""

SERVED = """
import json, sys
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
records = list(tf.data.TFRecordDataset(sys.argv[2:], "GZIP"))
spec = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}
stored = tf.io.parse_example(tf.stack(records), spec)
one = model.signatures["serving_default"](examples=tf.stack(records))
other = model.signatures["predict_image"](image_bytes=stored["image"])
apart = tf.reduce_max(tf.abs(one["probabilities"] - other["probabilities"]))
mine = tf.gather(other["probabilities"], stored["label"], batch_dims=1)
others = {"tensorflow_hub", "tensorflow_transform", "tfx", "components"}
print(json.dumps({"served_loss": float(-tf.reduce_mean(tf.math.log(mine))),
                  "signatures_apart": float(apart),
                  "beside_tensorflow": sorted(others & set(sys.modules))}))
"""


def ask(files: Sequence[str], job: jobs.Job) -> Figures:
    """Loss of the saved model on stored records, in a process that has TensorFlow alone.

    Raises:
      RuntimeError: the process failed, or needed more.
    """
    command = [sys.executable, "-c", SERVED, job.serving_model, *files]
    done = subprocess.run(
        command, check=False, cwd=job.serving_model, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    if found["beside_tensorflow"]:
        raise RuntimeError(f"the served model needed {found['beside_tensorflow']}")
    return found


def export_random(architecture: str, folder: Path) -> int:
    """Writes the module, and returns the number of its weights."""
    from components.backbone.architecture import PUBLISHED
    from components.backbone.bit import BiT, export_hub_module

    export_hub_module(BiT(PUBLISHED[architecture]), str(folder))
    return PUBLISHED[architecture].parameter_count()


def measure(options: argparse.Namespace, folder: Path) -> dict[str, list[Figures]]:
    """All runs of all sides."""
    jobs.prepare_flowers(folder / "tfds", options.images)
    steps = options.steps_per_epoch * options.epochs
    config = jobs.preset(
        "flowers",
        folder / "tfds",
        [
            f"backbone.handle={folder / 'backbone'}",
            "backbone.mode=full",
            f"preprocessing.resize={options.side}",
            "preprocessing.crop=null",
            f"training.batch_size={options.batch_size}",
            f"training.schedule={{steps: {steps}}}",
            f"training.steps_per_epoch={options.steps_per_epoch}",
            "training.early_stopping_patience=null",
            # More than the seed's: weights are random.
            "training.base_learning_rate=0.32",
        ],
    )
    stored = jobs.copy_examples(config.data, folder / "examples")
    graph = jobs.write_graph(folder / "graph", jobs.sizes_of(config))
    plan = make_plan(config.training, stored.num_train)
    sides: dict[str, Callable[[], Figures]] = {
        PLAIN: partial(jobs.train_plainly, config, plan),
    }
    for parts in (1, *options.batch_split):
        job = jobs.make_job(config, stored, graph, folder, batch_split=parts)
        name = OURS if parts == 1 else f"{OURS}, batch_split {parts}"
        sides[name] = partial(jobs.train, job, folder, partial(ask, stored.files("eval")))
    return alternate(sides, options.repeats)


def line(name: str, runs: Sequence[Figures], plain: Sequence[Figures], steps: int) -> list[str]:
    """The table's row of one side."""

    def epoch_s(figures: Figures) -> float:
        return statistics.median(figures["epochs_s"])

    def steps_s(figures: Figures) -> float:
        return statistics.median(figures["steps_s"])

    step_s = statistics.median(values(runs, steps_s)) / steps
    memory = [run["peak_mb"] for run in runs]
    served = [
        f"{run['served_loss']:.5f} / {run['rows'][-1]['val_loss']:.5f}"
        for run in runs
        if "served_loss" in run
    ]
    return [
        name,
        f"{step_s:.2f} s",
        ratio(runs, plain, steps_s),
        ratio(runs, plain, epoch_s),
        ratio(runs, plain, lambda run: statistics.median(run["cpu_s"])),
        f"{statistics.median(memory):,.0f} MB",
        ratio(runs, plain, lambda run: run["peak_mb"]),
        served[-1] if served else "",
    ]


def main() -> None:
    """Prints all sides and their ratios."""
    parser = arguments(__doc__, repeats=3)
    parser.add_argument("--architecture", default="R50x1")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--steps-per-epoch", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--images", type=int, default=80)
    parser.add_argument("--batch-split", type=int, nargs="*", default=[2, 4])
    options = parser.parse_args()
    before = conditions()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = export_random(options.architecture, folder / "backbone")
        runs = measure(options, folder)
    head = ["side", "step", "ratio", "epoch with its look, ratio", "CPU time, ratio"]
    head += ["peak memory", "ratio", "val_loss served / told"]
    rows = [line(side, found, runs[PLAIN], options.steps_per_epoch) for side, found in runs.items()]
    what = f"{options.architecture}, {weights:,} weights without the head, {options.side} px, "
    what += f"batch {options.batch_size}; target of an epoch's ratio <= {TARGET}"
    tell(options, before, f"{what}\n\n{table(head, rows)}", runs)


if __name__ == "__main__":
    main()
