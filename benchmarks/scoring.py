"""Batch scoring against a plain loop over the same files, and its memory as they grow.

    TF_USE_LEGACY_KERAS=1 .venv/bin/python -m benchmarks.scoring --model runs/digits/serving/1

Folders of JPEGs of 60 kB. The plain loop reads 64 files, asks `predict_image` of the loaded model
and keeps the most probable class; it screens nothing, writes nothing and cannot be resumed. The
rate is the slope between the smallest and the largest folder, so that no side's start counts.
"""

from __future__ import annotations

import functools
import tempfile
import time
from pathlib import Path

from benchmarks import measure
from benchmarks.data import write_jpegs

_BATCH = 64


def main() -> None:
    """Measures, and prints a table."""
    parser = measure.arguments(__doc__, 3)
    parser.add_argument("--model", required=True, help="folder of a pushed version")
    parser.add_argument("--jpegs", type=int, nargs="*", default=[1_000, 5_000, 20_000])
    parser.add_argument("--one", choices=["plain", "ours"], help="internal: the side of one run")
    parser.add_argument("--images", help="internal: the folder of one run")
    options = parser.parse_args()
    if options.one:
        side = {"plain": plain, "ours": ours}[options.one]
        measure.write(options.json, side(options.model, options.images))
        return
    before = measure.conditions()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in options.jpegs:
            images = f"{folder}/{count}"
            write_jpegs(Path(images), count)
            given = ["--model", options.model, "--images", images]
            sides = {
                side: functools.partial(measure.run, "benchmarks.scoring", ["--one", side, *given])
                for side in ("plain", "ours")
            }
            found[count] = measure.alternate(sides, options.repeats)
    measure.tell(options, before, as_table(found), found)


def as_table(found: dict[int, dict[str, list[measure.Figures]]]) -> str:
    """A row a side and a number of images, and the slope."""
    least, most = min(found), max(found)
    slopes = {
        side: [
            {key: (large[key] - small[key]) / (most - least) for key in ("seconds", "cpu_s")}
            for small, large in zip(found[least][side], found[most][side], strict=True)
        ]
        for side in ("plain", "ours")
    }
    rows = []
    for side, each in slopes.items():
        rate = 1 / min(values["seconds"] for values in each)
        speed = measure.ratio(slopes["plain"], each, lambda run: run["seconds"])
        processor = measure.ratio(slopes["plain"], each, lambda run: run["cpu_s"])
        peaks = (max(run["peak_mb"] for run in found[count][side]) for count in found)
        rows.append([side, f"{rate:,.0f}", speed, processor, *(f"{peak:,.0f}" for peak in peaks)])
    header = ["side", "images/s", "ratio", "ratio by CPU time"]
    return measure.table([*header, *(f"MB of {count:,}" for count in found)], rows)


def plain(model: str, images: str) -> measure.Figures:
    """The loop that one would write."""
    import tensorflow as tf

    predict = tf.saved_model.load(model).signatures["predict_image"]
    started, cpu = time.perf_counter(), time.process_time()
    paths = sorted(path for path in Path(images).rglob("*") if path.is_file())
    classes: list[int] = []
    for begin in range(0, len(paths), _BATCH):
        encoded = [path.read_bytes() for path in paths[begin : begin + _BATCH]]
        classes += predict(image_bytes=tf.constant(encoded))["class_index"].numpy().tolist()
    assert len(classes) == len(paths)
    return _figures(started, cpu)


def ours(model: str, images: str) -> measure.Figures:
    """Everything that `bit-tfx score` does after its imports."""
    from components.process import importing

    with importing():
        import apache_beam  # noqa: F401
        import tensorflow  # noqa: F401

        from components.scoring.run import Watch, score
        from components.scoring.settings import ScoreSettings

    with tempfile.TemporaryDirectory() as folder:
        settings = ScoreSettings(
            model=model, images=images, output=f"{folder}/p.parquet", batch_size=_BATCH
        )
        started, cpu = time.perf_counter(), time.process_time()
        counts = score(settings, ["--runner=FnApiRunner"], Watch(print))
        assert not counts.rejects
        return _figures(started, cpu)


def _figures(started: float, cpu: float) -> measure.Figures:
    return {
        "seconds": time.perf_counter() - started,
        "cpu_s": time.process_time() - cpu,
        "peak_mb": measure.peak_mb(),
    }


if __name__ == "__main__":
    main()
