"""What users change from run to run: the parameters of the compiled pipeline.

>>> overrides({"epochs": "5", "min_accuracy": "0.9"})
['training.epochs=5', 'evaluation.min_accuracy=0.9']
>>> as_text("digits"), as_text("5"), as_text(5)
('digits', '"5"', '5')
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeline.config import Config, dump_config
from pipeline.config.yaml_text import parse_yaml

PARAMETERS = {
    "dataset": "data.name",
    "version": "data.version",
    "handle": "backbone.handle",
    "epochs": "training.epochs",
    "min_accuracy": "evaluation.min_accuracy",
    "max_regression": "evaluation.max_regression",
}
"""Parameter -> key of the configuration. Their values are YAML text, as after `--set`."""


def defaults(config: Config) -> dict[str, str]:
    """The configuration's own values, which the form of a new run shows."""
    values = dump_config(config)
    return {name: as_text(_find(values, key)) for name, key in PARAMETERS.items()}


def overrides(given: Mapping[str, str]) -> list[str]:
    """Parameters as `section.key=value`."""
    return [f"{PARAMETERS[name]}={value}" for name, value in given.items()]


def as_text(value: Any) -> str:
    """YAML that reads as `value`: bare where that is enough."""
    if isinstance(value, str) and parse_yaml(value, value) == value:
        return value
    return json.dumps(value)


def _find(values: Mapping[str, Any], key: str) -> Any:
    section, _, name = key.partition(".")
    return values[section][name]
