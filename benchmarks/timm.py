"""A served R50x1 asked for one image, beside timm's under torch: same weights, same pixels.

    .uv/bin/uv venv /tmp/torch && .uv/bin/uv pip install --python /tmp/torch torch timm
    TF_USE_LEGACY_KERAS=1 .venv/bin/python -m benchmarks.timm --torch /tmp/torch/bin/python

Both answer with probabilities from one image of 224 px that is decoded already, in a process each,
in turns; `predict_image` decodes a JPEG of 500 x 375 too, and pays for that.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from numpy.typing import NDArray

from benchmarks.encoded import images
from benchmarks.jobs import write_graph
from benchmarks.measure import ROOT, arguments, conditions, table, tell
from components.backbone.architecture import PUBLISHED
from components.backbone.bit import BiT, export_hub_module
from components.backbone.handle import load_backbone
from components.trainer.model import BiTClassifier
from components.trainer.served_model import Answers, export
from components.transform.bounds import Bounds
from components.transform.config import WHITE, ImageSizes
from components.transform.preprocessing import decode_and_resize

SIDE, CLASSES = 224, 10
KIND = "JPEG 500 x 375"
TARGET = 1.3


def write_model(folder: Path) -> None:
    """A served R50x1 of random weights in `model`, and the weights as timm reads them."""
    backbone = BiT(PUBLISHED["R50x1"])
    export_hub_module(backbone, str(folder / "backbone"))
    model = BiTClassifier(load_backbone(str(folder / "backbone"), "full"), CLASSES)
    model.kernel.assign(tf.random.stateless_normal(model.kernel.shape, (1, 2)) * 0.01)
    graph = tft.TFTransformOutput(
        write_graph(folder, ImageSizes(resize=SIDE, crop=None, evaluate=SIDE, flip=False))
    )
    names = [str(each) for each in range(CLASSES)]
    export(model, graph, Answers(names), str(folder / "model"), Bounds())
    weights = {f"resnet/{name}": each.numpy() for name, each in backbone.weights.items()}
    weights["resnet/head/conv2d/kernel"] = model.kernel.numpy()[np.newaxis, np.newaxis]
    weights["resnet/head/conv2d/bias"] = model.bias.numpy()
    np.savez(folder / "weights.npz", **weights)


class Timm:
    """The other process."""

    def __init__(self, python: Path, folder: Path):
        files = [folder / name for name in ("weights.npz", "pixels.npy", "answers.npy")]
        self._process = subprocess.Popen(
            [python, "-I", ROOT / "benchmarks" / "timm_side.py", *files],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._asks, self._says = self._process.stdin, self._process.stdout
        self.versions = self._says.readline().strip()
        if not self.versions:
            raise RuntimeError(f"{python} has no torch or no timm: see above")
        self.answers = np.load(files[-1])

    def seconds(self) -> tuple[float, float]:
        """Of one request: on the clock, and of all cores."""
        self._asks.write("\n")
        self._asks.flush()
        clock, cores = self._says.readline().split()
        return float(clock), float(cores)

    def end(self) -> None:
        """Ends the process."""
        self._asks.close()
        self._process.wait()


def answer(signature: Any, **inputs: tf.Tensor) -> NDArray[np.float32]:
    """Probabilities, when they are there."""
    found: NDArray[np.float32] = signature(**inputs)["probabilities"].numpy()
    return found


def timed(side: Callable[[], object]) -> Callable[[], tuple[float, float]]:
    """Seconds of a call: on the clock, and of all cores."""

    def seconds() -> tuple[float, float]:
        started, cores = time.perf_counter(), time.process_time()
        side()
        return time.perf_counter() - started, time.process_time() - cores

    return seconds


def rows_of(rounds: list[dict[str, tuple[float, float]]]) -> list[list[str]]:
    """On the clock, and of all cores: medians, the median of the pairs' ratios, and its spread."""
    rows = []
    for place, name in enumerate(("time", "CPU time")):
        middle = {
            side: statistics.median(each[side][place] for each in rounds) for side in rounds[0]
        }
        pairs = [each["predict_pixels"][place] / each["timm"][place] for each in rounds]
        low, high = np.quantile(pairs, (0.1, 0.9))
        rest = (middle["predict_image"] - middle["decode"]) / middle["timm"]
        shown = [f"{1_000 * each:.1f} ms" for each in middle.values()]
        ratio = f"{statistics.median(pairs):.3f} ({low:.3f} to {high:.3f})"
        rows.append([name, *shown, ratio, f"{rest:.3f}"])
    return rows


def main() -> None:
    """Measures, and prints a table."""
    parser = arguments(__doc__, repeats=50)
    parser.add_argument("--torch", required=True, type=Path, help="a Python with torch and timm")
    options = parser.parse_args()
    before = conditions()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_model(folder)
        model = tf.saved_model.load(str(folder / "model"))
        encoded = tf.constant(images(KIND, 1))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
        def decode(rows: tf.Tensor) -> tf.Tensor:
            return decode_and_resize(rows, SIDE, WHITE)[0]

        pixels = decode(encoded)
        np.save(folder / "pixels.npy", pixels.numpy())
        timm = Timm(options.torch.absolute(), folder)
        by_pixels, by_image = (model.signatures[f"predict_{name}"] for name in ("pixels", "image"))
        sides: dict[str, Callable[[], tuple[float, float]]] = {
            "timm": timm.seconds,
            "predict_pixels": timed(partial(answer, by_pixels, pixels=pixels)),
            "decode": timed(partial(decode, encoded)),
            "predict_image": timed(partial(answer, by_image, image_bytes=encoded)),
        }
        apart = np.abs(answer(by_pixels, pixels=pixels) - timm.answers).max()
        for side in sides.values():
            side(), side()
        rounds = [{name: side() for name, side in sides.items()} for _ in range(options.repeats)]
        timm.end()
    head = ["", *sides, "predict_pixels / timm", f"(predict_image - decode) / timm, <= {TARGET}"]
    text = f"{timm.versions}; probabilities {apart:.1g} apart\n\n{table(head, rows_of(rounds))}"
    tell(options, before, text, rounds)


if __name__ == "__main__":
    main()
