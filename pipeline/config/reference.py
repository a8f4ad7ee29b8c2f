"""Generates docs/reference/configuration.md, the reference of every key, from the models.

.venv/bin/python -m pipeline.config.reference > docs/reference/configuration.md
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined, to_jsonable_python

from components.terminal import run_command
from pipeline.config import Config, sections_in

_HEAD = """\
# Configuration

<!-- Written by `.venv/bin/python -m pipeline.config.reference` from the steps' own models. -->

One YAML file describes a whole run: `.venv/bin/python local_runner.py --config mine.yaml`. Missing
keys have their defaults; an unknown key, or a value of the wrong type, is an error that gives its
path. `--set section.key=value` overrides one value, written as in YAML. Paths in a file are
relative to the file's folder, paths in `--set` to the current folder.

The smallest file:

```yaml
pipeline_name: cifar
data: {name: cifar10, splits: {train: train, eval: test}}
backbone: {handle: https://tfhub.dev/google/bit/m-r50x1/1}
evaluation: {min_accuracy: 0.9}
```
"""


def render() -> str:
    """The reference as Markdown."""
    return "\n".join([_HEAD, *_section("", Config)]) + "\n"


def _section(path: str, model: type[BaseModel]) -> list[str]:
    rows, nested = [], []
    for name, field in model.model_fields.items():
        key = f"{path}.{name}" if path else name
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            nested += _section(key, kind)
        else:
            description = (field.description or "").replace("|", "\\|")
            rows.append(f"| `{key}` | {_default(field.default)} | {description} |")
            many = "[]" if isinstance(field.default, tuple) else ""
            for section in sections_in(kind):
                nested += _section(key + many, section)
    title = f"## `{path}`" if path else "## The file"
    about = (model.__doc__ or "").strip()
    table = ["| key | default | meaning |", "|---|---|---|", *rows] if rows else []
    return [title, "", about, "", *table, "", *nested]


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    return f"`{json.dumps(to_jsonable_python(value)).strip(chr(34))}`"


def main() -> int:
    """Prints the reference; returns the exit code."""
    print(render(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
