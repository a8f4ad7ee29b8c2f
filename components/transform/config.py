"""The `preprocessing` section: image sizes and augmentation."""

from __future__ import annotations

from pydantic import Field, model_validator

from components.section import Section


class PreprocessingConfig(Section):
    """Sizes and augmentation; the seed's are 384, 224 and a flip."""

    resize: int = Field(384, ge=8, le=4096, description="Side in pixels that images take.")
    crop: int | None = Field(
        224,
        ge=8,
        description="Side in pixels of the random crop in training; null trains on the whole "
        "image. Evaluation and serving always see the whole image, as in the seed.",
    )
    flip: bool = Field(
        True, description="Mirror training images at random; off where it destroys the label."
    )

    @model_validator(mode="after")
    def _crop_fits(self) -> PreprocessingConfig:
        if self.crop is not None and self.crop > self.resize:
            raise ValueError(f"crop {self.crop} is larger than resize {self.resize}")
        return self
