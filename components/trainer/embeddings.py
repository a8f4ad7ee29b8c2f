"""What goes into the network: images, or embeddings that were computed once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from components.errors import UserError
from components.trainer.cache import Room
from components.trainer.input_pipeline import (
    Split,
    kept_split,
    one_pass,
    part_of,
    stored_split,
)
from components.trainer.model import BiTClassifier
from components.trainer.plan import Plan
from components.trainer.settings import Job, TrainerSettings
from components.trainer.strategy import spread, worker
from components.trainer.train_step import Forward
from components.transform.config import ImageSizes


@dataclass(frozen=True)
class Feed:
    """A split, and how its inputs become logits.

    Attributes:
      split: what is read.
      forward: from its inputs to logits.
      sizes: how its inputs are augmented; None where they are no images.
    """

    split: Split
    forward: Forward
    sizes: ImageSizes | None


def make_feeds(
    job: Job, plan: Plan, model: BiTClassifier, graph: tft.TFTransformOutput, room: Room
) -> tuple[Feed, Feed]:
    """The train and the eval split as a training reads them (`feeds_of`).

    Of several workers each has the whole train split and a part of the eval split.
    """
    settings = job.settings
    train = stored_split(job.train_files, graph, settings.num_train, training=True)
    evaluation = stored_split(job.eval_files, graph, settings.num_eval, training=False)
    return feeds_of(settings, plan, model, (train, part_of(evaluation, worker())), room)


def feeds_of(
    settings: TrainerSettings,
    plan: Plan,
    model: BiTClassifier,
    splits: tuple[Split, Split],
    room: Room,
) -> tuple[Feed, Feed]:
    """What is learned and what is looked at, kept between passes as far as there is room.

    The embeddings of a frozen backbone are the same in every pass: of what is looked at always, of
    what is learned where nothing is drawn anew in its images.

    Raises:
      UserError: a frozen backbone gives NaN or infinity for an image.
    """
    frozen, sizes = settings.mode == "head_only", settings.sizes
    crops = sizes.crop is not None and sizes.crop < sizes.resize
    drawn = sizes.flip or crops or bool(plan.mixup)
    train, evaluation = splits
    batch = settings.training.batch_size

    def feed(name: str, split: Split, side: int, embed: bool) -> Feed:
        what, shape = f"{name} embeddings", [model.embedding_size]
        if embed and room.takes(what, split.count, shape):
            kept = room.keep(what, split.count, shape, _embeddings(model, split, batch))
            _check_finite(kept.values, f"{name} split")
            return Feed(kept_split(kept), model.head, None)
        what, shape = f"{name} images", [side, side, 3]
        if room.takes(what, split.count, shape):
            split = kept_split(room.keep(what, split.count, shape, _images(split, batch)))
        return Feed(split, model, sizes)

    # Small things first, then what is read most often.
    if frozen:
        looked_at = feed("eval", evaluation, sizes.evaluate, embed=True)
        return feed("train", train, sizes.resize, embed=not drawn), looked_at
    learned = feed("train", train, sizes.resize, embed=False)
    return learned, feed("eval", evaluation, sizes.evaluate, embed=False)


def _check_finite(embeddings: np.ndarray, where: str) -> None:
    """No rate of learning would help where the frozen network itself gives NaN."""
    wrong = ~np.isfinite(embeddings).all(axis=1)
    if wrong.any():
        raise UserError(
            f"backbone.handle: the network gives NaN or infinity for {np.count_nonzero(wrong)} of "
            f"the {len(wrong)} images of the {where} that were read, the first of them number "
            f"{np.argmax(wrong) + 1}. Give another backbone, set training.precision to float32 "
            "where it is not, or take these images out."
        )


def _images(split: Split, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Images float32 [n, S, S, 3] and labels int64 [n], in the order of the split."""
    yield from one_pass(split, batch_size).as_numpy_iterator()


def _embeddings(
    model: BiTClassifier, split: Split, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pre-logits float32 [n, E] and labels int64 [n], in the order of the split."""
    strategy = tf.distribute.get_strategy()

    @tf.function(autograph=False)
    def embed(images: tf.Tensor) -> tf.Tensor:
        return strategy.run(model.embed, (images,))

    def joined(values: tf.Tensor) -> np.ndarray:
        return np.concatenate([one.numpy() for one in strategy.experimental_local_results(values)])

    for images, labels in spread(one_pass(split, batch_size)):
        yield joined(embed(images)), joined(labels)
