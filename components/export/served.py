"""The served model beside a converted one, asked for the same images.

The images are decoded once, as the served model itself decodes them:

    from components.export.served import ServedModel, ask

    served = ServedModel("runs/digits/serving/1764497700", background=(255, 255, 255))
    answers = ask(served, converted, images)
    answers.converted.argmax(axis=1) == answers.served.argmax(axis=1)
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from components.errors import UserError
from components.export.images import Labelled
from components.export.judgement import Answers
from components.export.runtimes import Pixels, Runtime
from components.model_check.answers import RefusedError
from components.signatures import (
    ERROR,
    LABELS,
    PREDICT_IMAGE,
    PREDICT_PIXELS,
    PROBABILITIES,
    VALID,
)
from components.transform.config import Colour
from components.transform.preprocessing import decode_and_resize

_BATCH = 64
_REQUESTS, _WARM_UP = 50, 5
_DECODING_TOLERANCE = 1e-3
"""By which `predict_pixels` on our pixels may differ from `predict_image`, which decodes itself."""


class ServedModel:
    """A SavedModel of ours, and the decoding that is within it.

    Attributes:
      predict_pixels: its signature.
      class_names: names by class index.
      side: of the images that its network sees, in pixels.
    """

    def __init__(self, folder: str, background: Colour):
        """Loads it.

        Args:
          folder: of the SavedModel.
          background: behind what is transparent.

        Raises:
          UserError: it does not load, or is none of ours.
        """
        try:
            self._model = tf.saved_model.load(folder)
        except Exception as error:  # Whatever TensorFlow raises.
            says = " ".join(str(error).split())[:300]
            raise UserError(f"{folder} does not load: {says}") from error
        wanted = (PREDICT_IMAGE, PREDICT_PIXELS, LABELS)
        missing = [name for name in wanted if name not in self._model.signatures]
        if missing:
            raise UserError(
                f"{folder} has no signature {missing[0]}: an earlier version of ours made it. The "
                "next model that a run pushes has it."
            )
        self.predict_pixels = self._model.signatures[PREDICT_PIXELS]
        names = self._model.signatures[LABELS]()[LABELS].numpy()
        self.class_names = tuple(name.decode("utf-8") for name in names)
        (pixels,) = self.predict_pixels.structured_input_signature[1].values()
        self.side = int(pixels.shape[1])
        self._decode = tf.function(
            lambda encoded: decode_and_resize(encoded, self.side, background)[0],
            input_signature=[tf.TensorSpec([None], tf.string)],
            autograph=False,
        )

    def decode(self, images: Sequence[Labelled], left_out: dict[str, str]) -> _Decoded:
        """Decodes what the model itself can decode.

        Args:
          images: at least one.
          left_out: where it says why an image is left out.

        Raises:
          UserError: its own decoding gives something else.
        """
        own = self._model.signatures[PREDICT_IMAGE](tf.constant([each.image for each in images]))
        valid = own[VALID].numpy()
        for row in np.flatnonzero(~valid):
            left_out[images[row].key] = own[ERROR][row].numpy().decode("utf-8", "replace")
        kept = [image for image, answered in zip(images, valid, strict=True) if answered]
        if not kept:
            return _Decoded([], np.zeros((0, self.side, self.side, 3), np.float32))
        pixels = self._decode(tf.constant([image.image for image in kept])).numpy()
        difference = np.abs(self.answer(pixels) - own[PROBABILITIES].numpy()[valid]).max()
        if difference > _DECODING_TOLERANCE:
            raise UserError(
                "the model decodes images differently from this version (a probability differs "
                f"by {difference:.4f}): export it with the version that made it."
            )
        return _Decoded(kept, pixels)

    def answer(self, pixels: Pixels) -> Pixels:
        """Probabilities float32 [N, C] of images float32 [N, S, S, 3]."""
        return np.asarray(self.predict_pixels(pixels=tf.constant(pixels))[PROBABILITIES])


@dataclass(frozen=True)
class _Decoded:
    images: list[Labelled]
    pixels: Pixels


def calibration_of(model: ServedModel, images: Iterable[Labelled]) -> list[Pixels]:
    """Images float32 [1, S, S, 3] for a converter, without those that the model refuses."""
    decoded = (model.decode(batch, {}).pixels for batch in _batches(images))
    return [pixels[row : row + 1] for pixels in decoded for row in range(len(pixels))]


def ask(model: ServedModel, converted: Runtime, images: Iterable[Labelled]) -> Answers:
    """Asks both, a few images at a time: no more are in memory.

    Raises:
      RefusedError: the converted model fails.
      UserError: none of the images can be decoded.
    """
    keys: list[str] = []
    labels: list[int] = []
    left_out: dict[str, str] = {}
    ours, theirs = [], []
    for batch in _batches(images):
        decoded = model.decode(batch, left_out)
        if not decoded.images:
            continue
        keys += [image.key for image in decoded.images]
        labels += [image.label for image in decoded.images]
        ours.append(model.answer(decoded.pixels))
        try:
            theirs.append(converted.answer(decoded.pixels))
        except Exception as error:  # Whatever a runtime raises.
            says = " ".join(str(error).split())[:300]
            raise RefusedError(f"the converted model fails in {converted.name}: {says}") from error
    if not keys:
        raise UserError(f"none of the {len(left_out)} images can be decoded: nothing to judge by.")
    return Answers(
        keys, np.array(labels, np.int64), np.concatenate(ours), np.concatenate(theirs), left_out
    )


def latency_ms(answer: Callable[[Pixels], Any], side: int) -> dict[str, float]:
    """Median and 99th percentile of the time for one image, in milliseconds, of 50 requests.

    Args:
      answer: of a model, in this process.
      side: of the image, in pixels.
    """
    image = np.random.default_rng(0).random((1, side, side, 3), np.float32)
    times = []
    for _ in range(_WARM_UP + _REQUESTS):
        started = time.perf_counter()
        answer(image)
        times.append(1_000 * (time.perf_counter() - started))
    p50, p99 = np.percentile(times[_WARM_UP:], [50, 99])
    return {"p50_ms": float(p50), "p99_ms": float(p99)}


def _batches(images: Iterable[Labelled]) -> Iterator[list[Labelled]]:
    rest = iter(images)
    while batch := list(itertools.islice(rest, _BATCH)):
        yield batch
