"""Makes bit-mini: trains the BIT_MINI architecture on Fashion-MNIST and probes it on digits.

    .venv/bin/python -m components.backbone.bit_mini.pretrain --output DIR

Needs Debian's package dataset-fashion-mnist (70,000 photographs of products, Xiao et al. 2017, MIT)
or a prepared tfds fashion_mnist. Writes the SavedModel `bit-mini/` and `PROVENANCE.md` into DIR.
"""

from __future__ import annotations

import argparse
import functools
import os
import platform
import time
from pathlib import Path

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from components.backbone.architecture import BIT_MINI
from components.backbone.bit import BiT, export_hub_module
from components.backbone.bit_mini.fashion_mnist import fashion_mnist
from components.digests import digest_of_folder
from components.example_gen.sources import digits as _digits  # noqa: F401  # registers the builder

SEED = 42
EPOCHS = 8
BATCH_SIZE = 128
LEARNING_RATE = 0.1
SIDE = 32
MARGIN = 4
"""Pixels of black padding around an image before a crop of SIDE is taken."""
COARSE_SIDES = (8, 14)
"""A third of the images is downscaled to each of these sides, to train on coarse pictures too."""


def main() -> None:
    """Trains, probes, exports and documents where the weights come from."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    parser.add_argument("--data-dir", default=None)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()

    tf.keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    data = fashion_mnist(options.data_dir)
    digits = tfds.builder("digits", data_dir=options.data_dir)
    digits.download_and_prepare()

    backbone = BiT(BIT_MINI, SEED)
    before = probe(backbone, digits)
    print(f"random twin on digits: {before}", flush=True)
    started = time.monotonic()
    head = train(backbone, data, options.epochs)
    seconds = time.monotonic() - started
    accuracy = evaluate(backbone, head, data)
    after = probe(backbone, digits)
    print(f"pre-trained on digits: {after}", flush=True)

    target = options.output / "bit-mini"
    export_hub_module(backbone, str(target))
    text = provenance(target, accuracy, seconds, before, after, options.epochs)
    (options.output / "PROVENANCE.md").write_text(text, encoding="utf-8")


def augment(image: tf.Tensor, label: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Coarsens, flips and crops one image at random.

    Args:
      image: uint8 [28, 28, 1].
      label: returned unchanged.
      seed: int64 [2].

    Returns:
      float32 [SIDE, SIDE, 3] in [0, 1], and the label.
    """
    seeds = tf.unstack(tf.random.split(seed, 3))
    image = tf.image.convert_image_dtype(image, tf.float32)

    def coarse(side: int) -> tf.Tensor:
        return tf.image.resize(tf.image.resize(image, (side, side), antialias=True), (SIDE, SIDE))

    choice = tf.random.stateless_uniform((), seeds[0], maxval=3, dtype=tf.int32)
    branches = [lambda: tf.image.resize(image, (SIDE, SIDE))]
    branches += [functools.partial(coarse, side) for side in COARSE_SIDES]
    image = tf.switch_case(choice, branches)
    padded = SIDE + 2 * MARGIN
    image = tf.image.pad_to_bounding_box(image, MARGIN, MARGIN, padded, padded)
    image = tf.image.stateless_random_flip_left_right(image, seeds[1])
    image = tf.image.stateless_random_crop(image, (SIDE, SIDE, 1), seeds[2])
    return tf.image.grayscale_to_rgb(image), label


def train(backbone: BiT, data: tfds.core.DatasetBuilder, epochs: int) -> list[tf.Variable]:
    """SGD with momentum 0.9 and a cosine rate; returns the head's kernel and bias."""
    num_classes = data.info.features["label"].num_classes
    head = [
        tf.Variable(tf.zeros((backbone.architecture.embedding_size, num_classes))),
        tf.Variable(tf.zeros((num_classes,))),
    ]
    variables = [*backbone.weights.values(), *head]
    steps_per_epoch = data.info.splits["train"].num_examples // BATCH_SIZE
    steps = steps_per_epoch * epochs
    rate = tf.keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)
    optimizer = tf.keras.optimizers.SGD(rate, momentum=0.9)
    examples = data.as_dataset("train", as_supervised=True, shuffle_files=False).cache()
    examples = examples.shuffle(60_000, seed=SEED).repeat()
    seeds = tf.data.Dataset.random(seed=SEED).batch(2)
    batches = (
        tf.data.Dataset.zip((examples, seeds))
        .map(lambda example, seed: augment(example[0], example[1], seed), tf.data.AUTOTUNE)
        .batch(BATCH_SIZE, drop_remainder=True)
        .take(steps)
        .prefetch(tf.data.AUTOTUNE)
    )

    @tf.function
    def step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = backbone(images) @ head[0] + head[1]
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            )
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    losses = []
    for index, (images, labels) in enumerate(batches, 1):
        losses.append(float(step(images, labels)))
        if index % steps_per_epoch == 0:
            mean = np.mean(losses[-steps_per_epoch:])
            print(f"epoch {index // steps_per_epoch}/{epochs}: loss {mean:.4f}", flush=True)
    return head


def embed(
    backbone: BiT, data: tfds.core.DatasetBuilder, split: str
) -> tuple[np.ndarray, np.ndarray]:
    """Pre-logits float32 [N, E] and labels int64 [N] of a split, resized to SIDE."""
    images_spec = tf.TensorSpec((None, SIDE, SIDE, 3), tf.float32)
    call = tf.function(backbone.__call__, input_signature=[images_spec])
    vectors, labels = [], []
    for images, batch_labels in data.as_dataset(split, as_supervised=True).batch(256):
        pixels = tf.image.resize(tf.image.convert_image_dtype(images, tf.float32), (SIDE, SIDE))
        vectors.append(call(tf.image.grayscale_to_rgb(pixels)).numpy())
        labels.append(batch_labels.numpy())
    return np.concatenate(vectors), np.concatenate(labels)


def evaluate(backbone: BiT, head: list[tf.Variable], data: tfds.core.DatasetBuilder) -> float:
    """Accuracy on Fashion-MNIST's test split."""
    vectors, labels = embed(backbone, data, "test")
    logits = vectors @ head[0].numpy() + head[1].numpy()
    return float(np.mean(np.argmax(logits, axis=1) == labels))


def probe(backbone: BiT, digits: tfds.core.DatasetBuilder) -> dict[str, float]:
    """Accuracy of logistic regression on frozen pre-logits of digits, train[:85%] / train[85%:].

    `linear` uses the whole train split; `<K>-shot` is the mean over 20 draws of K images a class.
    """
    from sklearn.linear_model import LogisticRegression

    vectors, labels = embed(backbone, digits, "train[:85%]")
    test_vectors, test_labels = embed(backbone, digits, "train[85%:]")

    def fit(index: np.ndarray) -> float:
        model = LogisticRegression(max_iter=5_000).fit(vectors[index], labels[index])
        return float(model.score(test_vectors, test_labels))

    scores = {"linear": fit(np.arange(len(labels)))}
    for shots in (1, 5, 25):
        draws = []
        for draw in range(20):
            random = np.random.default_rng(draw)
            chosen = [random.choice(np.flatnonzero(labels == c), shots, False) for c in range(10)]
            draws.append(fit(np.concatenate(chosen)))
        scores[f"{shots}-shot"] = float(np.mean(draws))
    return {name: round(score, 4) for name, score in scores.items()}


def provenance(
    module: Path,
    accuracy: float,
    seconds: float,
    before: dict[str, float],
    after: dict[str, float],
    epochs: int,
) -> str:
    """The text of the PROVENANCE.md that is shipped with the weights."""
    rows = "\n".join(f"| {name} | {before[name]:.3f} | {after[name]:.3f} |" for name in before)
    size_mb = sum(file.stat().st_size for file in module.rglob("*") if file.is_file()) / 1e6
    return f"""# bit-mini

The BiT architecture (`BIT_MINI` in `components/backbone/architecture.py`):
{BIT_MINI.parameter_count():,} weights, {BIT_MINI.embedding_size} pre-logits, \
{size_mb:.2f} MB on disk.
Input float32 [N, H, W, 3] in [0, 1], as google/bit/m-r50x1 takes it.

- **Made by** `.venv/bin/python -m components.backbone.bit_mini.pretrain` (seed {SEED}, {epochs}
  epochs at batch {BATCH_SIZE}, SGD 0.9, cosine from {LEARNING_RATE}); {seconds:.0f} s on a \
{os.cpu_count()}-core \
{platform.machine()} machine, TensorFlow {tf.__version__}.
- **Trained on** Fashion-MNIST's 60,000 training images (Xiao, Rasul and Vollgraf 2017,
  arXiv 1708.07747; MIT licence; the files of Debian's package dataset-fashion-mnist). Accuracy on
  its test split: {accuracy:.4f}.
- **Licence** of the weights: Apache-2.0, as the rest of this repository.
- **sha256** of the folder `bit-mini/` (as `backbone.sha256` takes it):
  `{digest_of_folder(module)}`

Accuracy of logistic regression on frozen pre-logits of digits (train[:85%] / train[85%:], 32
px; K-shot: mean of 20 draws), against the same network with its random weights:

| probe | random twin | bit-mini |
|---|---|---|
{rows}
"""


if __name__ == "__main__":
    main()
