"""What the Evaluator costs over a plain model.predict: images a second, as a slope.

    TF_USE_LEGACY_KERAS=1 .venv/bin/python -m benchmarks.evaluator

The same network (an R50x1 with random weights at 224 px), the same JPEGs and the same batches go
through both. The time between 128 and 512 images is taken, so that imports, tracing and Beam's
fixed cost are left out; runs alternate.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras
from PIL import Image
from tfx.types.standard_artifacts import (
    Examples,
    Model,
    ModelBlessing,
    ModelEvaluation,
    TransformGraph,
)

from components.backbone.architecture import PUBLISHED
from components.backbone.bit import BiT
from components.evaluator.config import EvaluationConfig, EvaluatorSettings
from components.evaluator.executor import Executor
from components.transform.config import WHITE
from components.transform.preprocessing import decode_and_resize

CLASSES = 10
SIDE = 224


class Classifier(tf.Module):
    """A BiT with a random head on serialized tf.Examples."""

    def __init__(self, architecture: str):
        super().__init__()
        self.backbone = BiT(PUBLISHED[architecture])
        size = PUBLISHED[architecture].embedding_size
        self.head = tf.Variable(tf.random.stateless_normal((size, CLASSES), (0, 1)) * 0.1)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Serialized tf.Examples, string [N] -> `probabilities` float32 [N, CLASSES], the index."""
        spec = {"image": tf.io.FixedLenFeature([], tf.string)}
        encoded = tf.io.parse_example(examples, spec)["image"]
        images, _ = decode_and_resize(encoded, SIDE, WHITE)
        probabilities = tf.nn.softmax(self.backbone(images) @ self.head)
        return {"probabilities": probabilities, "class_index": tf.argmax(probabilities, 1)}


class Predictor(keras.Model):
    """The same for model.predict."""

    def __init__(self, classifier: Classifier):
        super().__init__()
        self.classifier = classifier

    def call(self, examples: tf.Tensor) -> tf.Tensor:
        """Serialized tf.Examples, string [N] -> float32 [N, CLASSES]."""
        return self.classifier.serve(examples)["probabilities"]


def write_records(folder: Path, count: int) -> Examples:
    """An Examples artifact whose eval split holds `count` random JPEGs."""
    random = np.random.default_rng(0)
    artifact = Examples()
    artifact.uri = str(folder)
    artifact.split_names = json.dumps(["eval"])
    artifact.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    artifact.set_string_custom_property("file_format", "tfrecords_gzip")
    (folder / "Split-eval").mkdir(parents=True)
    with tf.io.TFRecordWriter(str(folder / "Split-eval" / "data-00000-of-00001.gz"), "GZIP") as out:
        for _ in range(count):
            small = random.integers(0, 256, (32, 32, 3), np.uint8)
            jpeg = io.BytesIO()
            Image.fromarray(small).resize((SIDE, SIDE)).save(jpeg, "JPEG", quality=90)
            image = tf.train.BytesList(value=[jpeg.getvalue()])
            label = tf.train.Int64List(value=[int(random.integers(CLASSES))])
            feature = {
                "image": tf.train.Feature(bytes_list=image),
                "label": tf.train.Feature(int64_list=label),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            out.write(example.SerializeToString())
    return artifact


def evaluate(examples: Examples, model: Model, batch_size: int) -> None:
    """One run of the Evaluator step."""
    config = EvaluationConfig(min_accuracy=0.0, batch_size=batch_size)
    settings = EvaluatorSettings(
        evaluation=config, class_names=tuple(map(str, range(CLASSES))), evaluation_data=""
    )
    with tempfile.TemporaryDirectory() as folder:
        evaluation, blessing = ModelEvaluation(), ModelBlessing()
        evaluation.uri, blessing.uri = f"{folder}/evaluation", f"{folder}/blessing"
        Executor().Do(
            {"examples": [examples], "model": [model], "transform_graph": [TransformGraph()]},
            {"evaluation": [evaluation], "blessing": [blessing]},
            {"settings": settings.model_dump_json()},
        )


def predict(examples: Examples, predictor: Predictor, batch_size: int) -> None:
    """One model.predict over the same records."""
    files = tf.io.gfile.glob(f"{examples.uri}/Split-eval/*")
    predictor.predict(tf.data.TFRecordDataset(files, "GZIP").batch(batch_size), verbose=0)


def main() -> None:
    """Prints images a second and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--architecture", default="R50x1", choices=sorted(PUBLISHED))
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--counts", type=int, nargs=2, default=(128, 512))
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        classifier = Classifier(options.architecture)
        model = Model()
        model.uri = f"{folder}/model"
        tf.saved_model.save(
            classifier,
            f"{model.uri}/Format-Serving",
            signatures={"serving_default": classifier.serve},
        )
        predictor = Predictor(classifier)
        examples = {n: write_records(Path(folder, str(n)), n) for n in options.counts}
        ways: dict[str, Callable[[Examples], None]] = {
            "model.predict": lambda e: predict(e, predictor, options.batch_size),
            "Evaluator": lambda e: evaluate(e, model, options.batch_size),
        }
        best: dict[tuple[str, int], float] = {}
        for _ in range(options.repeats):
            for way, work in ways.items():
                for count, found in examples.items():
                    started = time.monotonic()
                    work(found)
                    taken = time.monotonic() - started
                    best[way, count] = min(taken, best.get((way, count), taken))
    few, many = options.counts
    rates = {way: (many - few) / (best[way, many] - best[way, few]) for way in ways}
    print(
        f"{options.architecture}, {SIDE} px, batch {options.batch_size}, best of {options.repeats}"
    )
    for way, rate in rates.items():
        print(
            f"{way:<22} {best[way, few]:7.1f} s {best[way, many]:7.1f} s "
            f"{rate:6.2f} images/s  ratio {rate / rates['model.predict']:.2f}"
        )


if __name__ == "__main__":
    main()
