"""The `data` section: where images come from, which splits of them, and which are set aside."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from components.section import Names, Section

Convertible = Literal["avif", "bmp", "cmyk", "gif", "heic", "tiff", "webp"]
"""Kinds of images that Pillow converts to PNG."""

SOURCES = ("name", "folder", "tfrecords")
"""Keys of `data` of which one is given."""


class SplitsConfig(Section):
    """Slices of the source in tfds's own syntax (https://www.tensorflow.org/datasets/splits)."""

    train: str = Field("train[:85%]", min_length=1, description="What the Trainer learns from.")
    eval: str = Field(
        "train[85%:]",
        min_length=1,
        description="What training looks at after every epoch, and what every model is judged on "
        "unless evaluation.split says `test`.",
    )
    test: str | None = Field(
        None,
        min_length=1,
        description="A third split that no training sees, for evaluation.split `test`; null is "
        "none. Without data.splits it is the source's own, where that has a validation split too.",
    )

    def slices(self) -> dict[str, str]:
        """The splits that there are, by name."""
        return self.model_dump(exclude_none=True)


class TfRecordsConfig(Section):
    """TFRecord files of tf.Examples that are there already."""

    files: Annotated[dict[str, str], Field(min_length=1)] = Field(
        description="Pattern of the files of each split of the source: "
        "`{train: /data/train-*.tfrecord.gz, validation: /data/validation-*}`. Plain or gzip. "
        "data.splits slices these."
    )
    class_names: Annotated[Names, Field(min_length=1)] = Field(
        description="The classes in the order of their numbers."
    )
    image_feature: str = Field(
        "image", min_length=1, description="The feature that holds the encoded image."
    )
    label_feature: str = Field(
        "label",
        min_length=1,
        description="The feature that holds the class: its number (int64, or float without a "
        "fraction), or its name (bytes).",
    )
    first_label: int = Field(
        0, description="The number of the first class: 1 where labels count from 1."
    )


class ScreenConfig(Section):
    """Which images are set aside: into the `quarantine` artifact, with the reason."""

    max_pixels: int = Field(
        64_000_000,
        ge=1,
        description="Width times height in an image's header, at most. A PNG of 420 kB can decode "
        "to 432 MB.",
    )
    max_bytes: int = Field(32_000_000, ge=1, description="Of an encoded image, at most.")
    convert: Annotated[tuple[Convertible, ...], Field(strict=False)] = Field(
        (),
        description="Kinds of images that are converted to PNG and not set aside: `webp`, `tiff`, "
        "`avif`, `heic` (TensorFlow decodes none; `heic` needs the package pillow-heif), `bmp`, "
        "`gif` (those that it does not decode, or not rightly), `cmyk` (TIFFs in CMYK).",
    )


class DataConfig(Section):
    """The data set: one of `name`, `folder` and `tfrecords`."""

    name: str | None = Field(
        None,
        min_length=1,
        description="A tfds name, with its config where it has several: cifar10, beans, "
        "imagenette/160px. Its features must hold `image` (encoded image) and `label` (class). "
        "digits is shipped and needs no download.",
    )
    folder: str | None = Field(
        None,
        min_length=1,
        description="A folder of images: `<folder>/<class>/*`, one split called train; or "
        "`<folder>/<split>/<class>/*`, as train, val and test.",
    )
    tfrecords: TfRecordsConfig | None = Field(
        None, description="TFRecord files of tf.Examples that are there already."
    )
    version: str | None = Field(None, description="The data set's version; null is the newest.")
    data_dir: str | None = Field(
        None, description="Where tfds keeps data; null is TFDS_DATA_DIR or ~/tensorflow_datasets."
    )
    splits: SplitsConfig | None = Field(
        None,
        description="Which images train, and which judge; null takes the source's own splits, or "
        "85 % and 15 % of train where it has no other.",
    )
    examples_per_class: int | None = Field(
        None,
        ge=1,
        description="K-shot: the Trainer learns from exactly so many examples of every class, "
        "drawn at random from splits.train; null takes all. The eval split stays whole.",
    )
    examples_seed: int = Field(
        42, ge=0, description="Of the draw: another seed draws other examples of each class."
    )
    screen: ScreenConfig = ScreenConfig()
    curated_schema: str | None = Field(
        None,
        description="A TFMD schema as text proto that data is held against: one shipped with a "
        "preset by name, or a path. null infers it from the data.",
    )
    write_schema: str | None = Field(
        None,
        min_length=1,
        description="A path. Where nothing is, the schema that is inferred from the data is "
        "written there; what is there is used as curated_schema is, and never overwritten.",
    )

    @field_validator("splits")
    @classmethod
    def _none_given(cls, splits: SplitsConfig | None) -> SplitsConfig | None:
        return splits if splits is None or splits.model_fields_set else None

    @model_validator(mode="after")
    def _one_source(self) -> DataConfig:
        given = [key for key in SOURCES if getattr(self, key) is not None]
        if len(given) != 1:
            found = f"these are given: {', '.join(given)}" if given else "none is given"
            raise ValueError(f"give one of {', '.join(SOURCES)}; {found}")
        for key in ("version", "data_dir"):
            if self.name is None and getattr(self, key) is not None:
                raise ValueError(f"{key} is of a tfds name")
        return self

    @model_validator(mode="after")
    def _one_schema(self) -> DataConfig:
        if self.curated_schema is not None and self.write_schema is not None:
            raise ValueError(
                "curated_schema and write_schema do not go together: a schema is given, or "
                "inferred and written; set curated_schema to null"
            )
        return self

    @field_validator("version")
    @classmethod
    def _version_has_three_numbers(cls, version: str | None) -> str | None:
        if version is not None and [part.isdigit() for part in version.split(".")] != [True] * 3:
            raise ValueError(f"{version!r} is not of the form 3.0.1")
        return version
