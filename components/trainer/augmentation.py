"""What is done to training images besides the flip and the crop of a fixed size.

A module of its own: the step Pictures reads it, and no other key of `training`.

    >>> Augmentation(randaugment=RandAugmentConfig(layers=1)).randaugment.magnitude
    5.0
"""

from __future__ import annotations

from pydantic import Field

from components.section import Section


class RandAugmentConfig(Section):
    """How much RandAugment changes an image."""

    layers: int = Field(
        2, ge=1, le=10, description="Operations for each image, one after the other."
    )
    magnitude: float = Field(
        5.0, ge=0, le=10, description="Their strength, from 0, which is nothing, to 10."
    )


class Augmentation(Section):
    """What is done to training images besides the flip and the crop of a fixed size.

    Attributes:
      inception_crop: least share of the area that a crop of random size has; None for no such crop.
      randaugment: None for none.
      random_erasing: probability that a part of an image is erased.
    """

    inception_crop: float | None = None
    randaugment: RandAugmentConfig | None = None
    random_erasing: float = 0.0
