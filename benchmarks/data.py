"""Time and memory of the steps before training, as the data grows.

    TF_USE_LEGACY_KERAS=1 .venv/bin/python -m benchmarks.data

Each size is a run of its own through the pipeline's own steps, from ImageExampleGen to DataGate, in
one process: tfds's fashion_mnist of 70,000 real images (from Debian's dataset-fashion-mnist), and
folders of generated JPEGs of 60 kB. A step's peak is the most memory that the process held while
the step ran. Then a folder of small images, and the same with a tenth of them spoiled, in nineteen
ways.
"""

from __future__ import annotations

import functools
import io
import json
import logging
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import measure
from components.progress import EVENT, LOGGER

_UPSTREAM_OF_TRAINING = (
    "ImageExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "PassedSpan", "DataGate"
)  # fmt: skip
_BAD = 100
"""One file of so many is bad, in `write_photographs`."""
_DRAWN = 200
"""Different JPEGs; the others are copies with a comment of their own."""
CLASSES = tuple(f"class-{number}" for number in range(10))
_SPOIL = """
import json, pathlib, sys
from tests.folders import spoil
spoil(pathlib.Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]))
"""
_WRITE = """
import pathlib, sys
from tests.folders import write_folder
write_folder(pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:]))
"""


def main() -> None:
    """Measures and prints."""
    parser = measure.arguments(__doc__, 1)
    parser.add_argument("--fashion", type=int, nargs="*", default=[1_000, 10_000, 70_000])
    parser.add_argument("--jpegs", type=int, nargs="*", default=[1_000, 5_000, 20_000])
    parser.add_argument("--poisoned", type=int, default=10_000, help="images, a tenth of them bad")
    parser.add_argument("--one", help="internal: the configuration of one run, as JSON")
    options = parser.parse_args()
    if options.one:
        measure.write(options.json, run_steps(json.loads(options.one)))
        return
    before = measure.conditions()
    found: dict[str, list[dict[str, Any]]] = {"fashion_mnist": [], "JPEGs of 60 kB": []}
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        for count in options.fashion:
            found["fashion_mnist"].append(_measured(folder, fashion(folder, count), count))
        for count in options.jpegs:
            write_jpegs(folder / f"jpegs-{count}", count)
            found["JPEGs of 60 kB"].append(
                _measured(folder, {"folder": str(folder / f"jpegs-{count}")}, count)
            )
        if options.poisoned:
            found["with and without poison"] = list(_poisoned(folder, options.poisoned))
    text = "\n\n".join(f"{name}\n\n{as_table(runs)}" for name, runs in found.items() if runs)
    measure.tell(options, before, text, found)


def _measured(folder: Path, data: dict[str, Any], count: int) -> dict[str, Any]:
    given = {"data": data, "output": tempfile.mkdtemp(dir=folder)}
    return {"images": count, **measure.run("benchmarks.data", ["--one", json.dumps(given)])}


def _poisoned(folder: Path, count: int) -> Iterator[dict[str, Any]]:
    """The same images, then with a tenth of them bad."""
    for name, bad in (("clean", 0), ("poisoned", count // 10)):
        # On its own: once tfds has brought in IPython, `tests` is a package of that here.
        told = [str(folder / name), str(count - bad), str(bad)]
        subprocess.run([sys.executable, "-c", _WRITE, *told], check=True, cwd=measure.ROOT)
        # Some are bad by their size under this limit.
        data = {"folder": str(folder / name), "screen": {"max_bytes": 1_000_000}}
        yield _measured(folder, data, count)


def fashion(folder: Path, count: int) -> dict[str, Any]:
    """The `data` section for so many of tfds's images."""
    from components.backbone.bit_mini.fashion_mnist import fashion_mnist

    fashion_mnist(str(folder))
    train, evaluation = count * 6 // 7, count - count * 6 // 7
    splits = {"train": f"train[:{train}]", "eval": f"test[:{evaluation}]"}
    return {"name": "fashion_mnist", "data_dir": str(folder), "splits": splits}


def write_jpegs(
    folder: Path,
    count: int,
    size: tuple[int, int] = (320, 240),
    noise: int = 32,
    quality: int = 92,
) -> None:
    """A folder of `CLASSES` with `count` JPEGs of about 60 kB, no two of the same bytes.

    Args:
      folder: made if needed.
      count: of images.
      size: (width, height) in pixels.
      noise: most that a value differs from the smooth colours.
      quality: of the JPEGs, 1 to 95.
    """
    random = np.random.default_rng(0)
    drawn = [_jpeg(random, size, noise, quality) for _ in range(min(_DRAWN, count))]
    for number in range(count):
        path = folder / CLASSES[number % len(CLASSES)] / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = drawn[number % len(drawn)]
        comment = f"{number:08d}".encode()
        # After the start of the image, a comment segment: its length counts itself.
        path.write_bytes(content[:2] + b"\xff\xfe\x00\x0a" + comment + content[2:])


def write_photographs(folder: Path, images: int) -> None:
    """Seeded JPEGs of 500 x 375 pixels and 60 kB, as tf_flowers', one of `_BAD` files bad.

    What is there already is left as it is.
    """
    if folder.is_dir():
        return
    unfinished = folder.with_name(f"{folder.name}-unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    bad = images // _BAD
    write_jpegs(unfinished, images - bad, size=(500, 375), noise=24, quality=85)
    told = [str(unfinished), str(bad), json.dumps(CLASSES)]
    subprocess.run([sys.executable, "-c", _SPOIL, *told], check=True, cwd=measure.ROOT)
    unfinished.rename(folder)


def _jpeg(random: np.random.Generator, size: tuple[int, int], noise: int, quality: int) -> bytes:
    """Smooth colours under noise."""
    width, height = size
    smooth = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(size)
    noisy = np.asarray(smooth, np.int16) + random.integers(-noise, noise + 1, (height, width, 3))
    content = io.BytesIO()
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(content, "JPEG", quality=quality)
    return content.getvalue()


def run_steps(given: dict[str, Any]) -> measure.Figures:
    """Runs the steps before training on a `data` section; seconds and peak memory of each."""
    from tfx.dsl.compiler import compiler, constants
    from tfx.orchestration import metadata
    from tfx.orchestration.portable import runtime_parameter_utils

    from components.lineage.outputs import read_outputs
    from kubeflow.launch import launch_node
    from pipeline.config import override_config
    from pipeline.inputs.resolve import resolve
    from pipeline.pipeline import create_pipeline
    from pipeline.run.beam_flags import checked_flags
    from pipeline.run.layout import Layout
    from pipeline.run.node import run_step
    from pipeline.run.outcome import read_outcome

    output = given.pop("output")
    config = override_config(
        {
            "pipeline_name": "data",
            "backbone": {"handle": "bit-mini"},
            # Of few images drawn at random the eval split may lack a class.
            "data_gate": {"max_reject_fraction": 0.2, "missing_classes": "report"},
            "evaluation": {"min_accuracy": 0.0},
            **given,
        },
        (),
    )
    layout = Layout(output)
    layout.metadata.parent.mkdir(parents=True)
    connection = metadata.sqlite_metadata_connection_config(str(layout.metadata))
    inputs = resolve(config, layout)
    config = inputs.config
    pipeline = create_pipeline(
        config,
        inputs,
        span=1,
        pipeline_root=str(layout.artifacts),
        serving=str(layout.serving),
        checkpoints=str(layout.checkpoints),
        run_id="1",
        metadata=connection,
        beam_pipeline_args=checked_flags(config.beam),
    )
    ir = compiler.Compiler().compile(pipeline)
    runtime_parameter_utils.substitute_runtime_parameter(
        ir, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: "1"}
    )
    meter = Meter()
    LOGGER.setLevel(logging.INFO)
    LOGGER.addHandler(meter)
    for node in (each.pipeline_node for each in ir.nodes):
        if node.node_info.id in _UPSTREAM_OF_TRAINING:
            run_step(node, connection, functools.partial(launch_node, ir, node, connection))
    outcome = read_outcome(read_outputs(connection, "1"), inputs.source.class_names)
    return {"steps": meter.steps, "counts": outcome["counts"]}


class Meter(logging.Handler):
    """Takes seconds and peak memory of every step from the run's events."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: dict[str, dict[str, float]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Logging's hook."""
        event = record.__dict__.get(EVENT) or {}
        if event.get("event") != "step":
            return
        if event["state"] == "running":
            # 5 resets the peak (man 5 proc, clear_refs).
            Path("/proc/self/clear_refs").write_text("5")
            return
        peak = measure.peak_mb()
        self.steps[event["id"]] = {"seconds": event["seconds"], "peak_mb": peak}


def as_table(runs: list[dict[str, Any]]) -> str:
    """A row a run, two columns a step."""
    steps = [step for step in _UPSTREAM_OF_TRAINING if step not in ("PassedSpan", "SchemaGen")]
    header = ["images", "kept", *(f"{step}, s / MB" for step in steps)]
    rows = []
    for each in runs:
        figures = (each["steps"][step] for step in steps)
        kept = sum(split["kept"] for split in each["counts"]["splits"].values())
        cells = (f"{figure['seconds']:.1f} / {figure['peak_mb']:,.0f}" for figure in figures)
        rows.append([f"{each['images']:,}", f"{kept:,}", *cells])
    return measure.table(header, rows)


if __name__ == "__main__":
    main()
