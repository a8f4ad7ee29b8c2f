"""What a short configuration file lacks: name, backbone, recipe and gates, chosen for its data.

`data: {name: X}`, a folder or a table is a whole configuration.

    >>> values, says = completed({"data": {"name": "cifar10"}}, [], "mine.yaml")
    >>> values["pipeline_name"], values["evaluation"]
    ('cifar10', {'above_chance': True, 'max_regression': 0.02})
    >>> says[:55]
    'Not in mine.yaml, so chosen: pipeline_name=cifar10; pre'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from components.example_gen.config import SOURCES
from pipeline.config import overridden, override_config
from pipeline.inputs.fit import BIT_MINI, fit, fit_name
from pipeline.inputs.photos import Photos, look, look_table
from pipeline.inputs.starter import flow

_NEEDED = ("pipeline_name", "backbone", "evaluation")
"""What a configuration cannot do without, besides `data`."""
_RECIPE = ("preprocessing", "training")
"""Sections that go with a backbone."""


def completed(
    given: dict[str, Any], overrides: Iterable[str], name: str
) -> tuple[dict[str, Any], str]:
    """A file's values with all that a configuration needs, and one line on what was added.

    What the file has stays. Beside a backbone of its own it has a recipe of its own.

    Args:
      given: plain values, as of a file.
      overrides: `section.key=value`, which are on top of the file.
      name: of the file.

    Raises:
      UserError: `data` is not valid, or its images cannot be read.
    """
    wanted = overridden(given, overrides)
    data = wanted.get("data")
    sources = [key for key in SOURCES if isinstance(data, dict) and data.get(key) is not None]
    lacks = [key for key in _NEEDED if key not in wanted]
    if not isinstance(data, dict) or not lacks or len(sources) != 1 or sources == ["tfrecords"]:
        return given, ""
    own = (
        fit_name(str(data["name"])) if "name" in sources else fit(looked_at(data, [], name)).values
    )
    taken = {"data", *lacks, *(_RECIPE if "backbone" in lacks else ())}
    values, added = dict(wanted), []
    for key, value in own.items():
        if key not in taken:
            continue
        if not isinstance(value, dict):
            values[key] = value
            added.append(f"{key}={value}")
            continue
        found = wanted.get(key) or {}
        new = {each: value[each] for each in value if each not in found and each not in SOURCES}
        values[key] = {**found, **new}
        added += [f"{key}.{each}={flow(of_key)}" for each, of_key in new.items()]
    return values, f"Not in {name}, so chosen: {'; '.join(added)}."


def looked_at(data: Mapping[str, Any], overrides: Iterable[str], name: str) -> Photos:
    """What the folder or the table of a `data` section holds.

    Args:
      data: plain values; one of `folder` and `table` is given.
      overrides: `section.key=value`, on top of them.
      name: of the configuration, for errors.

    Raises:
      UserError: the section is not valid, or its images cannot be read.
    """
    # Any name, backbone and gate will do, to validate the section alone.
    others = {"backbone": {"handle": BIT_MINI}, "evaluation": {"above_chance": True}}
    values = {"pipeline_name": "data", "data": dict(data), **others}
    section = override_config(values, overrides, name).data
    if section.table is not None:
        return look_table(section.table)
    return look(str(section.folder))
