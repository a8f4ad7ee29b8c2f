"""The yardstick: keras.io's "Image Classification using BigTransfer (BiT)" as a plain script.

    TFDS_DATA_DIR=... TF_USE_LEGACY_KERAS=1 .venv/bin/python -m benchmarks.seed --dataset digits ...

To be read beside https://keras.io/examples/vision/bit/: its sections in their order, its names,
its numbers as the defaults. What is different: numbers are arguments, `--mode full` trains the
backbone too, an image may be grey, and `Clock` takes times. It knows nothing of this project but
the builder of digits.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
import tensorflow_hub as hub
import tf_keras as keras

from benchmarks.measure import Figures, differences, peak_mb, write

AUTO = tf.data.AUTOTUNE


def hyperparameters() -> argparse.ArgumentParser:
    """Define hyperparameters."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", default="tf_flowers")
    parser.add_argument("--split", nargs=2, default=["train[:85%]", "train[85%:]"])
    parser.add_argument("--backbone", default="https://tfhub.dev/google/bit/m-r50x1/1")
    parser.add_argument("--mode", choices=["head_only", "full"], default="head_only")
    parser.add_argument("--resize-to", type=int, default=384)
    parser.add_argument("--crop-to", type=int, default=224, help="0 trains on the whole image")
    parser.add_argument("--no-flip", dest="flip", action="store_false")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps-per-epoch", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=400)
    parser.add_argument("--boundaries", type=int, nargs="*", default=[200, 300, 400])
    parser.add_argument("--base-learning-rate", type=float, default=0.003)
    parser.add_argument("--patience", type=int, default=2, help="0 trains to the end")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--json", type=Path)
    return parser


def data_pipeline(options: argparse.Namespace) -> tuple[tf.data.Dataset, tf.data.Dataset, int]:
    """Gather the data set; define preprocessing; define the data pipeline."""
    if options.dataset == "digits":
        from components.example_gen.sources import digits as _digits  # noqa: F401

    (train_ds, validation_ds), info = tfds.load(
        options.dataset, split=options.split, as_supervised=True, with_info=True
    )
    side, crop = options.resize_to, options.crop_to

    def resized(image: tf.Tensor) -> tf.Tensor:
        if image.shape[-1] == 1:
            image = tf.image.grayscale_to_rgb(image)
        return tf.image.resize(image, (side, side))

    @tf.function
    def preprocess_train(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if options.flip:
            image = tf.image.random_flip_left_right(image)
        image = resized(image)
        if crop:
            image = tf.image.random_crop(image, (crop, crop, 3))
        image = image / 255.0
        return (image, label)

    @tf.function
    def preprocess_test(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = resized(image)
        image = image / 255.0
        return (image, label)

    pipeline_train = (
        train_ds.shuffle(10000)
        .repeat()
        .map(preprocess_train, num_parallel_calls=AUTO)
        .batch(options.batch_size)
        .prefetch(AUTO)
    )
    pipeline_validation = (
        validation_ds.map(preprocess_test, num_parallel_calls=AUTO)
        .batch(options.batch_size)
        .prefetch(AUTO)
    )
    return pipeline_train, pipeline_validation, info.features["label"].num_classes


class MyBiTModel(keras.Model):
    """Create the BigTransfer (BiT) model."""

    def __init__(self, num_classes: int, module: Any, **kwargs: Any):
        super().__init__(**kwargs)

        self.num_classes = num_classes
        self.head = keras.layers.Dense(num_classes, kernel_initializer="zeros")
        self.bit_model = module

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Images to logits."""
        bit_embedding = self.bit_model(images)
        return self.head(bit_embedding)


def compiled_model(options: argparse.Namespace, num_classes: int) -> keras.Model:
    """Load the module into a KerasLayer; define optimizer and loss; compile."""
    bit_module = hub.KerasLayer(options.backbone, trainable=options.mode == "full")
    model = MyBiTModel(num_classes=num_classes, module=bit_module)
    learning_rate = options.base_learning_rate * options.batch_size / 512
    lr_schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
        boundaries=options.boundaries,
        values=[learning_rate * 0.1**power for power in range(len(options.boundaries) + 1)],
    )
    optimizer = keras.optimizers.SGD(learning_rate=lr_schedule, momentum=0.9)
    loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer, loss=loss_fn, metrics=["accuracy"])
    return model


class Clock(keras.callbacks.Callback):
    """Takes the time at the begin and the end of every epoch, and in between at its look."""

    def __init__(self) -> None:
        super().__init__()
        self.begins: list[float] = []
        self.looks: list[float] = []
        self.ends: list[float] = []
        self.cpu: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Keras's hook."""
        self.begins.append(time.perf_counter())

    def on_test_begin(self, logs: Any = None) -> None:
        """Keras's hook."""
        self.looks.append(time.perf_counter())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keras's hook."""
        self.ends.append(time.perf_counter())
        self.cpu.append(time.process_time())


def fit(options: argparse.Namespace) -> Figures:
    """Set up callbacks; train; the figures are those of `benchmarks.ours.timed`."""
    np.random.seed(options.seed)
    tf.random.set_seed(options.seed)
    started = time.perf_counter()
    pipeline_train, pipeline_validation, num_classes = data_pipeline(options)
    model = compiled_model(options, num_classes)
    clock = Clock()
    train_callbacks = [clock]
    if options.patience:
        stopping = keras.callbacks.EarlyStopping(
            monitor="val_accuracy", patience=options.patience, restore_best_weights=True
        )
        train_callbacks.insert(0, stopping)
    history = model.fit(
        pipeline_train,
        epochs=options.epochs,
        steps_per_epoch=options.steps_per_epoch,
        validation_data=pipeline_validation,
        callbacks=train_callbacks,
        verbose=2,
    ).history
    accuracies = history["val_accuracy"]
    names = ("loss", "accuracy", "val_loss", "val_accuracy")
    return {
        "fit_s": clock.ends[-1] - started,
        "epochs_s": differences(clock.ends),
        "cpu_s": differences(clock.cpu),
        "steps_s": [
            look - begin for begin, look in zip(clock.begins[1:], clock.looks[1:], strict=True)
        ],
        "kept": max(accuracies) if options.patience else accuracies[-1],
        "rows": [
            {"epoch": epoch, **{name: history[name][epoch - 1] for name in names}}
            for epoch in range(1, len(accuracies) + 1)
        ],
        "peak_mb": peak_mb(),
    }


def main() -> None:
    """Trains as the example does."""
    tfds.disable_progress_bar()
    options = hyperparameters().parse_args()
    figures = fit(options)
    print(f"kept val_accuracy {figures['kept']:.4f}", file=sys.stderr)
    write(options.json, figures)


if __name__ == "__main__":
    main()
