"""What the network reads in each pass: images, or embeddings that were computed once.

>>> from components.backbone.config import SHIPPED
>>> from components.trainer.cache import CachedSplit
>>> from components.trainer.config import TrainingConfig
>>> from components.trainer.plan import make_plan
>>> from components.trainer.train import make_model
>>> settings = TrainerSettings(
...     backbone_path=str(SHIPPED["bit-mini"]), backbone_sha256="", trainable_parameters=None,
...     mode="head_only", class_names=("daisy", "rose"), num_train=3, num_eval=3,
...     sizes=ImageSizes(resize=32, evaluate=32, crop=None, flip=False),
...     training=TrainingConfig(),
... )
>>> images = CachedSplit(np.zeros((3, 32, 32, 3), np.float32), np.array([0, 1, 1]))
>>> splits = cached_split(images), cached_split(images)
>>> with SplitCache("memory", limit_bytes=1_000_000) as cache:
...     plan, model = make_plan(settings.training, 3), make_model(settings)
...     train, evaluation = inputs_of(settings, plan, model, splits, cache)
>>> train.sizes is None  # Embeddings, because the backbone is frozen.
True
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from components.errors import UserError
from components.trainer.augment import NONE
from components.trainer.cache import SplitCache
from components.trainer.input_pipeline import (
    Split,
    cached_split,
    one_pass,
    stored_split,
    worker_part,
)
from components.trainer.model import BiTClassifier
from components.trainer.plan import Plan
from components.trainer.settings import Job, TrainerSettings
from components.trainer.strategy import spread, worker
from components.trainer.train_step import Forward
from components.transform.config import ImageSizes


@dataclass(frozen=True)
class NetworkInputs:
    """The inputs from a split, and how they become logits.

    Attributes:
      split: the inputs; images or embeddings.
      forward: from inputs to logits.
      sizes: how images are augmented; None for embeddings.
    """

    split: Split
    forward: Forward
    sizes: ImageSizes | None


def make_inputs(
    job: Job, plan: Plan, model: BiTClassifier, graph: tft.TFTransformOutput, cache: SplitCache
) -> tuple[NetworkInputs, NetworkInputs]:
    """The inputs from the train and the eval split of a job (`inputs_of`).

    Each of several workers gets the whole train split and a part of the eval split.
    """
    settings = job.settings
    train = stored_split(job.train_files, graph, settings.num_train, training=True)
    evaluation = stored_split(job.eval_files, graph, settings.num_eval, training=False)
    splits = train, worker_part(evaluation, worker())
    return inputs_of(settings, plan, model, splits, cache)


def inputs_of(
    settings: TrainerSettings,
    plan: Plan,
    model: BiTClassifier,
    splits: tuple[Split, Split],
    cache: SplitCache,
) -> tuple[NetworkInputs, NetworkInputs]:
    """The inputs from the train and the eval split, cached between passes if they fit.

    A frozen backbone gives the same embeddings in every pass, so they are cached instead of images:
    always for the eval split, for the train split only without random augmentation.

    Raises:
      UserError: a frozen backbone gives NaN or infinity for an image.
    """
    frozen, sizes = settings.mode == "head_only", settings.sizes
    crops = sizes.crop is not None and sizes.crop < sizes.resize
    more = settings.training.augmentation != NONE
    augmented = sizes.flip or crops or more or bool(plan.mixup)
    train, evaluation = splits
    batch = settings.training.batch_size

    def inputs(name: str, split: Split, side: int, embed: bool) -> NetworkInputs:
        what, shape = f"{name} embeddings", [model.embedding_size]
        if embed and cache.fits(what, split.count, shape):
            cached = cache.store(what, split.count, shape, _embeddings(model, split, batch))
            _check_finite(cached.values, f"{name} split")
            return NetworkInputs(cached_split(cached), model.head, None)
        what, shape = f"{name} images", [side, side, 3]
        if cache.fits(what, split.count, shape):
            split = cached_split(cache.store(what, split.count, shape, _images(split, batch)))
        return NetworkInputs(split, model, sizes)

    # In this order the cache holds the small embeddings, then what is read most often.
    if frozen:
        evaluated = inputs("eval", evaluation, sizes.evaluate, embed=True)
        return inputs("train", train, sizes.resize, embed=not augmented), evaluated
    trained = inputs("train", train, sizes.resize, embed=False)
    return trained, inputs("eval", evaluation, sizes.evaluate, embed=False)


def _check_finite(embeddings: np.ndarray, where: str) -> None:
    """Checks the embeddings: if they are NaN, no learning rate would help."""
    wrong = ~np.isfinite(embeddings).all(axis=1)
    if wrong.any():
        raise UserError(
            f"backbone.handle: the network gives NaN or infinity for {np.count_nonzero(wrong)} of "
            f"the {len(wrong)} images read from the {where}; the first is number "
            f"{np.argmax(wrong) + 1}. Set another backbone.handle, or training.precision=float32 "
            "if it is not, or remove these images."
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
