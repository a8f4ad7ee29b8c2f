"""The input pipeline alone against the training step, and where its time goes.

    TF_USE_LEGACY_KERAS=1 .venv/bin/python -m benchmarks.input

Drawn photographs (tests/drawn.py) as stored JPEGs. Rates are of batches that nobody trains on; the
plain alternative is the pipeline of `benchmarks.seed`. Stages are timed on one core, each on inputs
that lie in memory. Waiting is the Trainer's own figure, for a small and a large network.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks import jobs
from benchmarks.measure import Figures, alternate, arguments, conditions, ratio, run, table, tell
from benchmarks.r50 import export_random
from components.trainer.plan import make_plan
from components.trainer.settings import Job

SIZES = {"224": (224, None), "512 to 480": (512, 480)}
"""Resize and crop, in pixels."""
CACHES = ("off", "memory", "disk")
PLAIN = "plain tf.data"
NETWORKS = {"bit-mini": 32, "R50x1": 8}
"""Images in a batch of the trainings."""


class Bench:
    """Drawn photographs in a folder, and Jobs on them."""

    def __init__(self, options: argparse.Namespace, folder: Path):
        self.options, self.folder = options, folder
        self.stored: jobs.Stored | None = None
        jobs.prepare_flowers(folder / "tfds", options.images)
        export_random("R50x1", folder / "R50x1")

    def job(self, size: str, network: str, cache: str) -> tuple[Job, list[str]]:
        """What the Trainer is told, and the plain script."""
        resize, crop = SIZES[size]
        steps, epochs = self.options.steps_per_epoch, self.options.epochs
        handle = self.folder / network if network == "R50x1" else network
        overrides = [
            f"backbone.handle={handle}",
            "backbone.mode=full",
            # Other networks than the preset's.
            "backbone.trainable_parameters=null",
            f"preprocessing.resize={resize}",
            f"preprocessing.crop={crop or 'null'}",
            f"preprocessing.evaluate={crop or resize}",
            f"training.batch_size={NETWORKS[network]}",
            f"training.schedule={{steps: {steps * epochs}}}",
            f"training.steps_per_epoch={steps}",
            "training.early_stopping_patience=null",
            f"training.cache={cache}",
        ]
        config = jobs.preset("flowers", self.folder / "tfds", overrides)
        if self.stored is None:
            self.stored = jobs.copy_examples(config.data, self.folder / "examples")
        graph = self.folder / f"graph-{resize}"
        if not graph.exists():
            jobs.write_graph(graph, jobs.sizes_of(config))
        job = jobs.make_job(config, self.stored, f"{graph}/graph", self.folder)
        return job, jobs.as_seed(config, make_plan(config.training, self.stored.num_train))

    def read(self, what: str, job: Job) -> Figures:
        """`benchmarks.reading` of a job, in a process of its own."""
        told = self.folder / "job.json"
        told.write_text(job.model_dump_json())
        seconds = str(self.options.seconds)
        return run("benchmarks.reading", [what, "--job", str(told), "--seconds", seconds])

    def read_plainly(self, given: Sequence[str]) -> Figures:
        """The same of the plain script's pipeline."""
        told = ["plain", "--seconds", str(self.options.seconds), *given]
        return run("benchmarks.reading", told, TFDS_DATA_DIR=str(self.folder / "tfds"))

    def rates(self, size: str) -> dict[str, list[Figures]]:
        """All runs of all ways to read."""
        _, given = self.job(size, "bit-mini", "off")
        sides: dict[str, Callable[[], Figures]] = {PLAIN: partial(self.read_plainly, given)}
        for cache in CACHES:
            job, _ = self.job(size, "bit-mini", cache)
            sides[f"cache: {cache}"] = partial(self.read, "rate", job)
        return alternate(sides, self.options.repeats)

    def trainings(self, size: str) -> dict[str, list[Figures]]:
        """All runs of both networks, with and without kept images."""
        sides = {
            f"{network}, cache: {cache}": partial(
                jobs.train, self.job(size, network, cache)[0], self.folder
            )
            for network in self.options.networks
            for cache in ("off", "memory")
        }
        return alternate(sides, self.options.repeats)


def rate_table(found: Mapping[str, Mapping[str, Sequence[Figures]]]) -> str:
    """Images a second of every way to read."""
    rows = []
    for size, sides in found.items():
        for name, runs in sides.items():
            middle = statistics.median(each["images_per_s"] for each in runs)
            cpu = statistics.median(each["cpu_ms"] for each in runs)
            against = ratio(runs, sides[PLAIN], lambda each: each["images_per_s"])
            rows.append([size, name, f"{middle:,.0f}", against, f"{cpu:.2f} ms"])
    return table(["px", "way", "images/s", "ratio", "CPU time an image"], rows)


def stage_table(found: Mapping[str, Mapping[str, float]]) -> str:
    """Time of every stage."""
    names = [name for name in max(found.values(), key=len) if name != "process_s"]
    cells = {
        name: [f"{stages[name]:.3f} ms" if name in stages else "" for stages in found.values()]
        for name in names
    }
    head = ["stage, an image on one core", *(f"{size} px" for size in found)]
    return table(head, [[name, *cells[name]] for name in names])


def waiting_table(found: Mapping[str, Mapping[str, Sequence[Figures]]], steps: int) -> str:
    """Share of a training's time that it waits for input."""
    rows = []
    for size, sides in found.items():
        for name, runs in sides.items():
            batch = NETWORKS[name.split(",")[0]]
            each_s = [statistics.mean(each["steps_s"]) / steps for each in runs]
            share = statistics.median(statistics.mean(each["waiting"]) for each in runs)
            rate = batch / statistics.median(each_s)
            rows.append([size, name, batch, f"{rate:,.1f}", f"{share:.1%}"])
    return table(["px", "training", "batch", "images/s", "waiting"], rows)


def main() -> None:
    """Prints rates, stages and waiting."""
    parser = arguments(__doc__, repeats=3)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5.0, help="of every rate and stage")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--networks", nargs="*", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--trained-sizes", nargs="*", choices=SIZES, default=["224"])
    parser.add_argument("--steps-per-epoch", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    before = conditions()
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(options, Path(name))
        rates = {size: bench.rates(size) for size in options.sizes}
        stages = {
            size: bench.read("stages", bench.job(size, "bit-mini", "off")[0])
            for size in options.sizes
        }
        waiting = {size: bench.trainings(size) for size in options.trained_sizes}
    tables = [rate_table(rates), stage_table(stages)]
    if options.networks:
        tables.append(waiting_table(waiting, options.steps_per_epoch))
    raw = {"rates": rates, "stages": stages, "waiting": waiting}
    tell(options, before, "\n\n".join(tables), raw)


if __name__ == "__main__":
    main()
