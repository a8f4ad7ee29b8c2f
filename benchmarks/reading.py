"""The input pipeline alone, in a process of its own: images a second, or the time of each stage.

    .venv/bin/python -m benchmarks.reading rate|stages JOB.json --json FILE

`benchmarks.input` starts it. The job is the Trainer's; nothing is trained.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from benchmarks.measure import Figures, peak_mb, write
from components.trainer.augment import augment
from components.trainer.cache import SplitCache
from components.trainer.input_pipeline import (
    DECODED_AT_ONCE,
    Draws,
    Split,
    cached_split,
    one_pass,
    stored_split,
    train_batches,
)
from components.trainer.settings import Job
from components.transform import pixels
from components.transform.config import WHITE
from components.transform.preprocessing import decode_and_resize


def stored(job: Job) -> Split:
    """The train split, decoded whenever it is read."""
    graph = tft.TFTransformOutput(job.transform_graph)
    return stored_split(job.train_files, graph, job.settings.num_train, training=True)


@contextmanager
def keeping(job: Job) -> Iterator[Split]:
    """The train split as `training.cache` of the job has it."""
    training, side = job.settings.training, job.settings.sizes.resize
    split = stored(job)
    with SplitCache(training.cache, training.cache_limit_mb * 1_000_000) as cache:
        if cache.fits("images", split.count, [side, side, 3]):
            images = one_pass(split, training.batch_size).as_numpy_iterator()
            split = cached_split(cache.store("images", split.count, [side, side, 3], images))
        yield split


def count(batches: tf.data.Dataset, seconds: float, warm_up: int = 4) -> Figures:
    """Reads batches for so long, at least four of them, after some that do not count."""
    iterator = iter(batches)
    for _ in range(warm_up):
        next(iterator)
    images, read = 0, 0
    started, cpu = time.perf_counter(), time.process_time()
    while read < 4 or time.perf_counter() - started < seconds:
        images += len(next(iterator)[1])
        read += 1
    taken, worked = time.perf_counter() - started, time.process_time() - cpu
    return {"images_per_s": images / taken, "cpu_ms": 1e3 * worked / images, "peak_mb": peak_mb()}


def rate(job: Job, seconds: float) -> Figures:
    """Images a second of `train_batches`."""
    training = job.settings.training
    draws = Draws(
        batch_size=training.batch_size,
        shuffle_buffer=training.shuffle_buffer,
        seed=training.seed,
        sizes=job.settings.sizes,
    )
    with keeping(job) as split:
        return count(train_batches(split, draws), seconds)


def per_image_ms(work: Callable[[], Any], images: int, seconds: float) -> float:
    """Milliseconds an image, the best of the times that fit, after one that does not count."""
    work()
    best, ends = float("inf"), time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < ends:
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return 1e3 * best / images


def stages(job: Job, seconds: float) -> dict[str, float]:
    """Milliseconds an image of each stage, on one core, each on inputs that lie in memory."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    files = tf.data.TFRecordDataset(job.train_files, "GZIP")
    chunk = tf.stack(list(files.take(DECODED_AT_ONCE)))
    size = len(chunk)
    found = {
        "read and gunzip": per_image_ms(
            lambda: list(files.batch(size)), job.settings.num_train, seconds
        )
    }
    work = _decoding(job, chunk) | _augmentation(job, chunk)
    for name, each in work.items():
        found[name] = per_image_ms(each, size, seconds)
    rows = tf.constant(np.random.default_rng(0).permutation(job.settings.num_train)[:size])
    for cache in ("memory", "disk"):
        told = job.settings.with_hyperparameters({"cache": cache})
        with keeping(job.model_copy(update={"settings": told})) as split:
            copy = functools.partial(tf.function(split.fetch), rows)
            found[f"copy out of {cache}"] = per_image_ms(copy, size, seconds)
    return found


def _decoding(job: Job, chunk: tf.Tensor) -> dict[str, Callable[[], Any]]:
    """What is done with serialized examples, string [N]."""
    side = job.settings.sizes.resize
    spec = {"image": tf.io.FixedLenFeature([], tf.string)}
    encoded = tf.io.parse_example(chunk, spec)["image"]

    @tf.function
    def decode() -> tf.Tensor:
        return tf.map_fn(
            lambda one: tf.shape(pixels.decode(one, WHITE)), encoded, fn_output_signature=tf.int32
        )

    @tf.function
    def resize() -> tf.Tensor:
        return decode_and_resize(encoded, side, WHITE)[0]

    transform = tf.function(stored(job).fetch)
    return {
        "decode": decode,
        "decode and resize": resize,
        "parse, decode and resize, by the transform graph": lambda: transform(chunk),
    }


def _augmentation(job: Job, chunk: tf.Tensor) -> dict[str, Callable[[], Any]]:
    """What is drawn, for the images of serialized examples, string [N]."""
    sizes = job.settings.sizes
    images = stored(job).fetch(chunk)[0]
    seed = tf.constant([1, 2], tf.int64)

    def drawn(**told: Any) -> Callable[[], Any]:
        only = sizes.model_copy(update=told)
        return functools.partial(tf.function(lambda images: augment(images, only, seed)), images)

    found = {"flip": drawn(flip=True, crop=None)}
    if sizes.crop is not None:
        found["crop"] = drawn(flip=False)
        found["flip and crop"] = drawn(flip=True)
    return found


def plain(arguments: list[str], seconds: float) -> Figures:
    """Images a second of the plain script's pipeline (`benchmarks.seed`)."""
    from benchmarks import seed

    batches, _, _ = seed.data_pipeline(seed.hyperparameters().parse_args(arguments))
    return count(batches, seconds)


def main() -> None:
    """Measures one thing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["rate", "stages", "plain"])
    parser.add_argument("--job", type=Path)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", type=Path)
    options, others = parser.parse_known_args()
    if options.what == "plain":
        write(options.json, plain(others, options.seconds))
        return
    job = Job.model_validate_json(options.job.read_text())
    write(options.json, {"rate": rate, "stages": stages}[options.what](job, options.seconds))


if __name__ == "__main__":
    main()
