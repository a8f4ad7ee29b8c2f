"""The settings of the Pictures step, as one value in its execution properties.

>>> settings = PicturesSettings(
...     class_names=("daisy", "rose"),
...     sizes=ImageSizes(resize=160, crop=128, evaluate=128, flip=True),
...     batch_size=64, shuffle_buffer=1000, seed=42, mixup=0.0,
... )
>>> PicturesSettings.model_validate_json(settings.model_dump_json()) == settings
True
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.section import Names, Section
from components.trainer.augmentation import Augmentation
from components.transform.config import WHITE, Colour, ImageSizes

BEFORE, AFTER = "before.png", "after.png"
"""Training images as they are stored, and as the network sees them."""


class PicturesSettings(Section):
    """How training draws its images.

    Attributes:
      class_names: names by class index.
      sizes: crop and flip.
      batch_size: images in a step, over all workers.
      shuffle_buffer: examples in the shuffle buffer.
      seed: of order, augmentation and MixUp.
      mixup: alpha; 0 is none, None the paper's for the number of images.
      augmentation: besides crop and flip.
      background: RGB behind what is transparent.
    """

    class_names: Names
    sizes: ImageSizes
    batch_size: int
    shuffle_buffer: int
    seed: int
    mixup: float | None
    augmentation: Augmentation = Augmentation()
    background: Annotated[Colour, Field(strict=False)] = WHITE
