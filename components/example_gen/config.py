"""The `data` section: which data set, which splits of it."""

from __future__ import annotations

from pydantic import Field, field_validator

from components.section import Section


class SplitsConfig(Section):
    """Slices of the source in tfds's own syntax (https://www.tensorflow.org/datasets/splits)."""

    train: str = Field("train[:85%]", min_length=1, description="What the Trainer learns from.")
    eval: str = Field("train[85%:]", min_length=1, description="What every model is judged on.")


class DataConfig(Section):
    """The data set. Its features must hold `image` (encoded image) and `label` (class)."""

    name: str = Field(
        min_length=1,
        description="A tfds name, with its config where it has several: cifar10, beans, "
        "imagenette/160px. digits is shipped and needs no download.",
    )
    version: str | None = Field(None, description="The data set's version; null is the newest.")
    data_dir: str | None = Field(
        None, description="Where tfds keeps data; null is TFDS_DATA_DIR or ~/tensorflow_datasets."
    )
    splits: SplitsConfig = SplitsConfig()
    examples_per_class: int | None = Field(
        None,
        ge=1,
        description="K-shot: the Trainer learns from exactly so many examples of every class, "
        "drawn at random from splits.train; null takes all. The eval split stays whole.",
    )
    examples_seed: int = Field(
        42, ge=0, description="Of the draw: another seed draws other examples of each class."
    )
    curated_schema: str | None = Field(
        None,
        description="A TFMD schema as text proto that data is held against: one shipped with a "
        "preset by name, or a path. null infers it from the data.",
    )

    @field_validator("version")
    @classmethod
    def _version_has_three_numbers(cls, version: str | None) -> str | None:
        if version is not None and [part.isdigit() for part in version.split(".")] != [True] * 3:
            raise ValueError(f"{version!r} is not of the form 3.0.1")
        return version
