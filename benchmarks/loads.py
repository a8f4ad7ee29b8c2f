"""Which TensorFlow loads a pushed model, and whether it answers as the one that wrote it.

    TF_USE_LEGACY_KERAS=1 .venv/bin/python -m benchmarks.loads --model runs/digits/serving/1

TensorFlow Serving links the TensorFlow of its own number. Each version comes from PyPI into a
folder of its own, and is thrown away (1 GB, a minute).
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.encoded import KINDS, images
from benchmarks.measure import ROOT, arguments, conditions, table, tell

VERSIONS = tuple(f"2.{minor}" for minor in range(12, 22))
TOLERANCE = 1e-6
BAD = b"\xff\xd8\xff\xe0 no image"
UV = ROOT / ".uv" / "bin" / "uv"


def requests(side: int) -> dict[str, Any]:
    """Inputs by `SIGNATURE/INPUT`: images of two formats and a bad one."""
    encoded = [*(image for kind in KINDS for image in images(kind, 4)), BAD]
    examples = []
    for image in encoded:
        feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[image]))
        features = tf.train.Features(feature={"image": feature})
        examples.append(tf.train.Example(features=features).SerializeToString())
    pixels = np.random.default_rng(0).random((8, side, side, 3), np.float32)
    return {
        "predict_image/image_bytes": np.array(encoded, object),
        "serving_default/examples": np.array(examples, object),
        "predict_pixels/pixels": pixels,
    }


def asked(version: str, model: Path, given: Path, folder: Path) -> tuple[dict[str, Any], Any]:
    """What a TensorFlow says of a model, and its answers; {} where it does not load it."""
    python = folder / version / "bin" / "python"
    if not python.exists():
        subprocess.run([UV, "venv", "--quiet", "--python", "3.11", folder / version], check=True)
        package = f"tensorflow-cpu=={version}.*"
        subprocess.run([UV, "pip", "install", "--quiet", "--python", python, package], check=True)
    script, answers = ROOT / "benchmarks" / "foreign.py", folder / "answers.npz"
    answers.unlink(missing_ok=True)
    done = subprocess.run(
        [python, "-I", script, model, given, answers],
        check=True,
        cwd=folder,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    said = json.loads(done.stdout.splitlines()[-1])
    if said["error"]:
        return said, {}
    with np.load(answers, allow_pickle=True) as found:
        return said, dict(found)


def apart(found: dict[str, Any], wanted: dict[str, Any]) -> float:
    """The largest difference of any output; infinity where anything but a float differs."""
    if found.keys() != wanted.keys():
        return np.inf
    most = 0.0
    for name, value in found.items():
        if value.dtype.kind != "f":
            most = most if np.array_equal(value, wanted[name]) else np.inf
            continue
        if not np.array_equal(np.isnan(value), np.isnan(wanted[name])):
            return np.inf
        most = max(most, float(np.nanmax(np.abs(value - wanted[name]))))
    return most


def row_of(said: dict[str, Any], difference: float) -> list[str]:
    """A row of the table."""
    lacks = ", ".join(said["unknown"]) or "none"
    if said["error"]:
        return [said["tensorflow"], lacks, "no", said["error"].splitlines()[0][:160]]
    alike = "yes" if difference <= TOLERANCE else "no"
    return [said["tensorflow"], lacks, "yes", f"{alike}, to {difference:.1g}"]


def main() -> None:
    """Measures, and prints a table a model."""
    parser = arguments(__doc__, repeats=1)
    parser.add_argument("--model", required=True, type=Path, action="append", help="a version")
    parser.add_argument("--version", action="append", help="of TensorFlow (default: 2.12 to 2.21)")
    parser.add_argument("--folder", type=Path, help="that keeps the environments")
    options = parser.parse_args()
    before, texts, raw = conditions(), [], []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        for model in map(Path.resolve, options.model):
            signature = tf.saved_model.load(str(model)).signatures["predict_pixels"]
            side = signature.structured_input_signature[1]["pixels"].shape[1]
            given = folder / "requests.npz"
            np.savez(given, **requests(side))
            found = [asked(each, model, given, folder) for each in options.version or VERSIONS]
            facts = found[0][0]
            writer = ".".join(facts["written_by"].split(".")[:2])
            _, wanted = asked(writer, model, given, folder)
            raw.append([(said, apart(answers, wanted)) for said, answers in found])
            head = ["TensorFlow", "operations that it lacks", "loads", "answers alike"]
            told = f"written by {facts['written_by']}, producer {facts['producer']}, "
            told += f"min_consumer {facts['min_consumer']}, {facts['ops']} operations"
            texts.append(f"{told}\n\n{table(head, [row_of(*each) for each in raw[-1]])}")
    tell(options, before, "\n\n".join(texts), raw)


if __name__ == "__main__":
    main()
