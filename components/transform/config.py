"""The `preprocessing` section: image sizes and augmentation.

>>> PreprocessingConfig(resize=64, crop=48).sizes(auto=KERAS_IO_SIZES, paper=True).evaluate
48
>>> hex_of((255, 0, 128))
'#ff0080'
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from components.section import AUTO_OR, VALUE, Auto, Section

Side = Annotated[int, Field(ge=8, le=4096)]
Level = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[Level, Level, Level]
"""Red, green and blue."""

WHITE = (255, 255, 255)

KERAS_IO_SIZES = (384, 224)
"""The example's RESIZE_TO and CROP_TO."""


def hex_of(colour: Any) -> str:
    """`#rrggbb` of red, green and blue, each 0 to 255."""
    return "#{:02x}{:02x}{:02x}".format(*(int(level) for level in colour))


class Bounds(Section):
    """What is decoded; the screen's default limits.

    Attributes:
      pixels: of an image, at most.
      size: of an encoded image, in bytes, at most.
    """

    pixels: int = 64_000_000
    size: int = 32_000_000


class ImageSizes(Section):
    """Sides in pixels, settled, and whether images are mirrored.

    Attributes:
      resize: what images take for training.
      crop: of the random crop out of that; None trains on the whole image.
      evaluate: what images take in evaluation and serving.
      flip: whether training images are mirrored at random.
    """

    resize: int
    crop: int | None
    evaluate: int
    flip: bool


class PreprocessingConfig(Section):
    """Background, sizes and augmentation; the seed's are 384, 224 and a flip."""

    resize: Annotated[Auto | Annotated[Side, VALUE], AUTO_OR] = Field(
        "auto",
        description="Side in pixels that images take for training. auto: 384, and under "
        "training.schedule `hyperrule` the paper's: 160 for images of less than 96 x 96 pixels, "
        "else 512.",
    )
    crop: Annotated[Auto | Annotated[Side | None, VALUE], AUTO_OR] = Field(
        "auto",
        description="Side in pixels of the random crop in training; null trains on the whole "
        "image. auto: 224, and under `hyperrule` 128 or 480.",
    )
    evaluate: Annotated[Auto | Annotated[Side, VALUE], AUTO_OR] = Field(
        "auto",
        description="Side in pixels that images take in evaluation and serving, whole. auto: "
        "`resize`, as the seed has it, and under `hyperrule` the crop's, as the paper has it.",
    )
    flip: bool = Field(
        True, description="Mirror training images at random; turn it off if that changes the class."
    )

    background: Annotated[Colour, Field(strict=False)] = Field(
        WHITE,
        description="Red, green and blue, 0 to 255 each, of what is behind transparent pixels, in "
        "training and in the served model.",
    )

    @model_validator(mode="after")
    def _crop_fits(self) -> PreprocessingConfig:
        if (self.resize == "auto") != (self.crop == "auto"):
            raise ValueError("resize and crop go together: give both, or leave both auto")
        numbers = isinstance(self.resize, int) and isinstance(self.crop, int)
        if numbers and self.crop > self.resize:  # type: ignore[operator]
            raise ValueError(f"crop {self.crop} is larger than resize {self.resize}")
        return self

    def sizes(self, auto: tuple[int, int], paper: bool) -> ImageSizes:
        """Settles what is `auto`.

        Args:
          auto: resize and crop, where the configuration leaves them open.
          paper: whether evaluation takes the crop's side (Kolesnikov et al. 2020) or the resize's.
        """
        resize = auto[0] if self.resize == "auto" else self.resize
        crop = auto[1] if self.crop == "auto" else self.crop
        evaluate = self.evaluate
        if evaluate == "auto":
            evaluate = crop if paper and crop is not None else resize
        return ImageSizes(resize=resize, crop=crop, evaluate=evaluate, flip=self.flip)
