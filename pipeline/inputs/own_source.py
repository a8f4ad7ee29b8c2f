"""A source of images given on the command line, on top of any configuration or none.

What belongs to the source that it replaces goes with it: splits, version, schema, and the gates,
which are numbers of those data. The pipeline's name follows too, for a model of other classes can
neither be compared with the one that serves nor take its place.

    >>> before = {"pipeline_name": "flowers", "data": {"name": "tf_flowers", "version": "3.0.1"}}
    >>> own = {"pipeline_name": "pets", "data": {"name": "oxford_iiit_pet"}, "evaluation": {}}
    >>> replaced(before, own)[0]["data"], replaced(before, own)[1]
    ({'name': 'oxford_iiit_pet'}, ['data.name', 'data.version'])
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from components.commands import bit_tfx
from components.errors import UserError
from components.example_gen.config import SOURCES
from pipeline.config import Config, load_config, override_config, read_values
from pipeline.inputs.fit import R50X1, Fitted, fit, fit_name, floor_above, reaches, recipe
from pipeline.inputs.photos import look
from pipeline.inputs.short_file import completed, looked_at

_OF_THE_SOURCE = (*SOURCES, "version", "splits", "curated_schema", "write_schema")
"""Keys of `data` that go with the source."""
_OF_THE_DATA = (
    *("split", "min_accuracy", "above_chance", "max_regression"),
    *("min_class_accuracy", "max_class_regression", "slices"),
    *("min_balanced_accuracy", "min_macro_f1"),
)
"""Keys of `evaluation` that go with it."""


@dataclass(frozen=True)
class OwnSource:
    """A source on the command line; of folder, table, data and tfrecords at most one.

    Attributes:
      folder: of images.
      table: a file, or a pattern of files.
      data: a tfds name.
      tfrecords: `split=pattern`, one for each split.
      classes: of the TFRecords, in the order of their numbers, with commas.
    """

    folder: str | None = None
    data: str | None = None
    tfrecords: tuple[str, ...] = ()
    classes: str | None = None
    table: str | None = None


def settle(
    preset: str | None, file: str | None, overrides: Iterable[str], own: OwnSource
) -> tuple[Config, str]:
    """The configuration, and one line on what the source replaced in it; "" for nothing.

    Args:
      preset: name of a shipped preset, or None.
      file: path of a YAML file, or None.
      overrides: `section.key=value`; they win over everything.
      own: the source of the command line.

    Raises:
      UserError: the configuration or the source cannot be read, or is not valid.
    """
    overrides = list(overrides)
    if not (own.folder or own.table or own.data or own.tfrecords):
        if file is None:
            return load_config(preset, file, overrides), ""
        name, given = read_values(preset, file)
        values, says = completed(given, overrides, name)
        return override_config(values, overrides, name), says
    fitted = fitted_to(own, overrides) if own.folder or own.table else None
    if preset is None and file is None:
        values = fitted.values if fitted else _values(own)
        name, says = "the defaults", _defaults(values, fitted)
    else:
        name, before = read_values(preset, file)
        values, gone = replaced(before, fitted.values if fitted else _values(own))
        says = _replacement(name, before, values, gone)
    return override_config(values, overrides, name), says


def fitted_to(own: OwnSource, overrides: Iterable[str]) -> Fitted:
    """The configuration that fits the images of a folder or of a table.

    Args:
      own: with one of the two; its path is relative to the current folder.
      overrides: `section.key=value`, of which those of `data.table` count.

    Raises:
      UserError: they cannot be read, or hold no images of two classes.
    """
    if own.folder:
        return fit(look(own.folder))
    table = str(own.table)
    path = table if "://" in table else os.path.abspath(os.path.expanduser(table))
    of_table = [each for each in overrides if each.startswith("data.table.")]
    return fit(looked_at({"table": path}, of_table, "the defaults"))


def replaced(before: dict[str, Any], own: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A configuration with another's source, and the keys that went with its own.

    Args:
      before: plain values.
      own: plain values whose `pipeline_name`, `data` and `evaluation` are of the new source.
    """
    values = copy.deepcopy(before)
    gone = []
    for section, keys in (("data", _OF_THE_SOURCE), ("evaluation", _OF_THE_DATA)):
        found = dict(values.get(section) or {})
        gone += [f"{section}.{key}" for key in keys if found.pop(key, None) is not None]
        if section == "data" and "name" not in own["data"]:
            found.pop("data_dir", None)
        values[section] = {**found, **_merged(found, own[section])}
    values["pipeline_name"] = f"{values.get('pipeline_name', '')}-{own['pipeline_name']}"[:63]
    values["pipeline_name"] = values["pipeline_name"].strip("-")
    return values, gone


def _merged(found: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """`own`, whose sections give way to those that the configuration has, such as `screen`."""
    return {key: value for key, value in own.items() if key not in found}


def _values(own: OwnSource) -> dict[str, Any]:
    """A configuration for a source whose images are not looked at."""
    if own.data:
        return fit_name(own.data)
    data = {"tfrecords": _tfrecords(own)}
    floor = floor_above(1 / len(data["tfrecords"]["class_names"]))
    return {
        "pipeline_name": "tfrecords",
        "data": data,
        **recipe(reaches(R50X1), {}),
        "evaluation": {"min_accuracy": floor, "max_regression": 0.02},
    }


def _tfrecords(own: OwnSource) -> dict[str, Any]:
    files = {}
    for given in own.tfrecords:
        split, equals, pattern = given.partition("=")
        if not equals or not split or not pattern:
            raise UserError(f"--tfrecords {given}: write it as SPLIT=PATTERN, train=/data/train-*.")
        files[split] = pattern if "://" in pattern else os.path.abspath(pattern)
    names = [name.strip() for name in (own.classes or "").split(",")]
    if len(names) < 2 or not all(names):
        raise UserError(f"--classes {own.classes}: give two or more names with commas: cat,dog.")
    return {"files": files, "class_names": names}


def _source(data: dict[str, Any]) -> str:
    for key in ("name", "folder", "table"):
        if found := data.get(key):
            return str(found["path"] if isinstance(found, dict) else found)
    return "TFRecords"


def _floor(evaluation: dict[str, Any]) -> str:
    floor = evaluation.get("min_accuracy")
    if floor is None and evaluation.get("above_chance"):
        return "floor: above chance"
    return "no floor (--set evaluation.min_accuracy=...)" if floor is None else f"floor {floor}"


def _defaults(values: dict[str, Any], fitted: Fitted | None) -> str:
    if fitted:
        photos = fitted.photos
        columns = [f"data.table.{key}={name}" for key, name in (photos.section or {}).items()]
        options = [text for each in columns[1:] for text in ("--set", each)]
        written = bit_tfx("init", f"--{photos.key}", photos.path, *options)
        return f"Defaults that fit: {fitted.summary}. `{written}` writes them to a file."
    backbone = values["backbone"]
    return (
        f"Defaults: {_source(values['data'])}, backbone {backbone['handle']} "
        f"({backbone['mode']}), {_floor(values['evaluation'])}."
    )


def _replacement(name: str, before: dict[str, Any], values: dict[str, Any], gone: list[str]) -> str:
    return (
        f"{_source(values['data'])} replaces {_source(before.get('data') or {})} of {name}, and "
        f"with it {', '.join(gone)}; now {_floor(values['evaluation'])}, pipeline "
        f"{values['pipeline_name']}."
    )
