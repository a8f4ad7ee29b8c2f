"""The `data` section: where the images come from, their splits, and which are rejected.

>>> data = DataConfig(folder="/photos", splits={"train": "train[:80%]", "eval": "train[80%:]"})
>>> data.splits.slices()
{'train': 'train[:80%]', 'eval': 'train[80%:]'}
>>> DataConfig(name="digits", folder="/photos")
Traceback (most recent call last):
...
pydantic_core._pydantic_core.ValidationError: 1 validation error for DataConfig
  Value error, give one of name, folder, table, tfrecords; these are given: name, folder ...
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from components.section import Names, Section
from components.transform.config import Bounds

Convertible = Literal["avif", "bmp", "cmyk", "gif", "heic", "tiff", "webp"]
"""Kinds of images that Pillow converts to PNG."""

SOURCES = ("name", "folder", "table", "tfrecords")
"""Keys of `data`; exactly one is given."""


class SplitsConfig(Section):
    """Slices of the source in tfds's own syntax (https://www.tensorflow.org/datasets/splits)."""

    train: str = Field(
        "train[:85%]", min_length=1, description="The slice that the Trainer trains on."
    )
    eval: str = Field(
        "train[85%:]",
        min_length=1,
        description="The slice for validation after every epoch, and for the Evaluator's gates "
        "unless evaluation.split is `test`.",
    )
    test: str | None = Field(
        None,
        min_length=1,
        description="A third slice that training never reads, for evaluation.split `test`; null is "
        "none. If data.splits is null, this is the source's own test split, provided that it has a "
        "validation split too.",
    )

    def slices(self) -> dict[str, str]:
        """The slices that are given, by split."""
        return self.model_dump(exclude_none=True)


class TfRecordsConfig(Section):
    """Existing TFRecord files of tf.Examples."""

    files: Annotated[dict[str, str], Field(min_length=1)] = Field(
        description="A file pattern for each split of the source: `{train: "
        "/data/train-*.tfrecord.gz, validation: /data/validation-*}`; plain or gzip files. "
        "data.splits slices these splits."
    )
    class_names: Annotated[Names, Field(min_length=1)] = Field(
        description="The names of the classes, in the order of their labels."
    )
    image_feature: str = Field(
        "image", min_length=1, description="The feature that holds the encoded image."
    )
    label_feature: str = Field(
        "label",
        min_length=1,
        description="The feature that holds the class: its number (int64, or a float without a "
        "fraction), or its name (bytes).",
    )
    first_label: int = Field(
        0, description="The label of the first class; 1 if labels count from 1."
    )


def _path_or_section(schema: dict[str, Any]) -> None:
    """Makes a JSON schema that takes the path alone too."""
    section = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"type": "string", "minLength": 1}, section]


class TableConfig(Section):
    """A CSV, TSV, JSONL or Parquet file with a row for every image."""

    model_config = ConfigDict(json_schema_extra=_path_or_section)

    path: str = Field(
        min_length=1,
        description="The file, local or gs://, whose name ends in .csv, .tsv, .jsonl or .parquet; "
        "a pattern such as `data/*.parquet` takes several as one table.",
    )
    image: str | None = Field(
        None,
        min_length=1,
        description="The column of the images: paths (absolute, gs://, or relative to the table's "
        "folder); in Parquet also encoded images, as bytes or as Hugging Face's `{bytes, path}`. "
        "null takes the one that is called image, img, path, file_name, ...",
    )
    label: str | None = Field(
        None,
        min_length=1,
        description="The column of the classes, by name or by number. null takes the one that is "
        "called label, class, category, ...",
    )
    split: str | None = Field(
        None,
        min_length=1,
        description="The column of the splits, which data.splits slices. null takes the one that "
        "is called split, subset or partition; without one the split is named by the file "
        "(train-00000-of-00002.parquet) or by its folder (train/metadata.csv), or else train.",
    )
    columns: Annotated[Names, Field(strict=False)] | None = Field(
        None,
        description="Further columns that become features of the examples, as text, for "
        "evaluation.slices. null takes those that evaluation.slices names.",
    )

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"path": given}
        if isinstance(given, dict) and "weight" in given:
            raise ValueError(
                "`weight` is no key: every image counts the same in training and in evaluation; "
                "leave data.table.weight out"
            )
        return given


class ScreenConfig(Section):
    """Limits on images; those beyond them go to the `quarantine` artifact, with the reason."""

    max_pixels: int = Field(
        Bounds().pixels,
        ge=1,
        description="The largest number of pixels (width times height in the header) of an image. "
        "A PNG of 420 kB can decode to 432 MB.",
    )
    max_bytes: int = Field(
        Bounds().size, ge=1, description="The largest size of an encoded image, in bytes."
    )
    convert: Annotated[tuple[Convertible, ...], Field(strict=False)] = Field(
        (),
        description="Kinds of images to convert to PNG instead of rejecting them: `webp`, `tiff`, "
        "`avif`, `heic` (TensorFlow decodes none of these; `heic` needs the package pillow-heif), "
        "`bmp`, `gif` (only the files that TensorFlow decodes wrongly or not at all), `cmyk` "
        "(TIFFs in CMYK).",
    )


class DataConfig(Section):
    """The data set: one of `name`, `folder`, `table` and `tfrecords`."""

    name: str | None = Field(
        None,
        min_length=1,
        description="The name of a tfds data set, with its config if it has several: cifar10, "
        "beans, imagenette/160px. It must have the features `image` (an encoded image) and `label` "
        "(a class). digits is shipped and needs no download.",
    )
    folder: str | None = Field(
        None,
        min_length=1,
        description="A folder of images, local or gs://: `<folder>/<class>/*`, which has one "
        "split, train; or `<folder>/<split>/<class>/*`, with splits such as train, val and test.",
    )
    table: TableConfig | None = Field(
        None,
        description="A table with a row for every image: its path alone, `data.table: labels.csv`, "
        "or a section.",
    )
    tfrecords: TfRecordsConfig | None = Field(
        None, description="Existing TFRecord files of tf.Examples."
    )
    version: str | None = Field(
        None, description="The version of the tfds data set, such as 3.0.1; null takes the newest."
    )
    data_dir: str | None = Field(
        None,
        description="The folder in which tfds stores data sets; null takes TFDS_DATA_DIR or "
        "~/tensorflow_datasets.",
    )
    splits: SplitsConfig | None = Field(
        None,
        description="The images to train on and to evaluate on; null takes the source's own "
        "splits, or 85 % and 15 % of train if it has no other.",
    )
    examples_per_class: int | None = Field(
        None,
        ge=1,
        description="K-shot training: the number of examples of every class to train on, drawn at "
        "random from splits.train; null takes all. The eval split stays whole.",
    )
    examples_seed: int = Field(
        42, ge=0, description="The seed of the draw that examples_per_class makes."
    )
    screen: ScreenConfig = ScreenConfig()
    curated_schema: str | None = Field(
        None,
        description="The TFMD schema (text proto) that the data are validated against: the name of "
        "one shipped with a preset, or a path. null infers a schema from the data.",
    )
    write_schema: str | None = Field(
        None,
        min_length=1,
        description="A path for the inferred schema, to edit. If no file exists there, the run "
        "writes it; if one does, it is used like curated_schema and never overwritten.",
    )

    @field_validator("splits")
    @classmethod
    def _empty_is_null(cls, splits: SplitsConfig | None) -> SplitsConfig | None:
        return splits if splits is None or splits.model_fields_set else None

    @model_validator(mode="after")
    def _one_source(self) -> DataConfig:
        given = [key for key in SOURCES if getattr(self, key) is not None]
        if len(given) != 1:
            found = f"these are given: {', '.join(given)}" if given else "none is given"
            raise ValueError(f"give one of {', '.join(SOURCES)}; {found}")
        for key in ("version", "data_dir"):
            if self.name is None and getattr(self, key) is not None:
                raise ValueError(f"{key} only goes with data.name, a tfds data set")
        return self

    @model_validator(mode="after")
    def _one_schema(self) -> DataConfig:
        if self.curated_schema is not None and self.write_schema is not None:
            raise ValueError(
                "curated_schema and write_schema exclude each other: set curated_schema to null to "
                "infer a schema and write it, or write_schema to null to use the given one"
            )
        return self

    @field_validator("version")
    @classmethod
    def _version_has_three_numbers(cls, version: str | None) -> str | None:
        if version is not None and [part.isdigit() for part in version.split(".")] != [True] * 3:
            raise ValueError(f"{version!r} is not a version such as 3.0.1")
        return version

    def of_examples(self) -> str:
        """The keys that affect the examples, as JSON: all but those of the schema."""
        return self.model_dump_json(exclude={"curated_schema", "write_schema"})
