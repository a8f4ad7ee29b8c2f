"""docs/reference/schemas/: JSON schemas of the files that a run writes, from the code's types."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema
from pydantic import BaseModel, TypeAdapter

from components.data_gate.checks import Check
from components.evaluator.gates import Gate, Measured
from components.process import ROOT
from components.pusher.card import ModelCard
from components.signatures import signatures
from pipeline.config import Config
from pipeline.run.summary import Summary

FOLDER = ROOT / "docs" / "reference" / "schemas"
PAGE = ROOT / "docs" / "reference" / "formats.md"


@dataclass
class Epoch:
    """One epoch of `history.json`.

    Attributes:
      epoch: its number, from 1.
      learning_rate: of its last step.
      accuracy: on the images that it trained on.
      loss: likewise; null where it is not finite.
      val_accuracy: on the eval split.
      val_loss: likewise; null where it is not finite.
      seconds: that it took.
      waiting: the part of them that training waited for input, 0 to 1.
      restored: 1 for the epoch whose weights the model has, else 0.
    """

    epoch: int
    learning_rate: float
    accuracy: float
    loss: float | None
    val_accuracy: float
    val_loss: float | None
    seconds: float
    waiting: float
    restored: int


@dataclass
class SliceMetrics:
    """The metrics of one slice.

    Attributes:
      feature: that cuts it: empty for all images, `label` for a class, else a configured feature.
      value: of the feature, as text; of `label` the class index.
      metrics: by name: `accuracy`, `loss`, `example_count` and those that are configured.
    """

    feature: str
    value: str
    metrics: Mapping[str, Measured]


@dataclass
class Metrics:
    """`metrics.json`: all that was measured on the evaluation split.

    Attributes:
      candidate: of the new model, a row a slice.
      baseline: of the model that it is compared with; empty where there is none.
      unanswered: images whose probabilities name no class.
      clipped: images whose loss is clipped.
    """

    candidate: list[SliceMetrics]
    baseline: list[SliceMetrics]
    unanswered: int
    clipped: int


TYPES: dict[str, Any] = {
    "run_summary": Summary,
    "history": list[Epoch],
    "checks": list[Check],
    "metrics": Metrics,
    "gates": list[Gate],
    "model_card": ModelCard,
    "configuration": Config,
}
"""The type of each file, by its name without `.json`."""


def schema_of(name: str) -> dict[str, Any]:
    """The JSON schema of a file, its keys described by the docstrings of its types.

    Args:
      name: a key of `TYPES`.
    """
    # A configuration is read, and may leave out what has a default; what is written has every key.
    mode = "validation" if name == "configuration" else "serialization"
    schema = TypeAdapter(TYPES[name]).json_schema(mode=mode)
    definitions = schema.get("$defs", {})
    known = {each.__name__: each for each in _types_in(TYPES[name], set())}
    for title, node in [*definitions.items(), (schema.get("title", ""), schema)]:
        if title in known and "properties" in node:
            _describe(node, known[title])
            if mode == "serialization":
                node["required"] = list(node["properties"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{name}.schema.json",
        **schema,
    }


def _types_in(kind: Any, seen: set[Any]) -> set[Any]:
    """The dataclasses and models that a type is made of."""
    if kind in seen:
        return seen
    if dataclasses.is_dataclass(kind) or (inspect.isclass(kind) and issubclass(kind, BaseModel)):
        seen.add(kind)
        for each in inspect.get_annotations(kind, eval_str=True).values():
            _types_in(each, seen)
    for part in getattr(kind, "__args__", ()):
        _types_in(part, seen)
    return seen


def _describe(node: dict[str, Any], kind: type) -> None:
    """Puts what a docstring says of attributes where the schema says nothing."""
    text = inspect.cleandoc(kind.__doc__ or "")
    head, _, attributes = text.partition("Attributes:")
    node["description"] = " ".join(head.split())
    found = re.findall(r"^  (\w+): (.*(?:\n    .*)*)", attributes, re.MULTILINE)
    for name, says in found:
        if name in node["properties"]:
            node["properties"][name].setdefault("description", " ".join(says.split()))
    for each in node["properties"].values():
        each.pop("title", None)


def schema_text(name: str) -> str:
    """The file below docs/reference/schemas."""
    return json.dumps(schema_of(name), indent=2, ensure_ascii=False) + "\n"


def validator(name: str) -> jsonschema.Draft202012Validator:
    """Checks values against the schema as it is in docs/."""
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def columns(schema: Any) -> str:
    """The columns of a Parquet file, as a Markdown table.

    Args:
      schema: pyarrow.Schema.
    """
    rows = [f"| `{field.name}` | {field.type} |" for field in schema]
    return "\n".join(["| column | type |", "|---|---|", *rows])


def tables() -> dict[str, str]:
    """The generated blocks of formats.md: columns of the tables; signatures."""
    from components.evaluator.predictions import SCHEMA
    from components.example_gen.index import schema
    from components.scoring.table import REJECT, ROW

    return {
        "index": columns(schema()),
        "predictions": columns(SCHEMA),
        "scored": columns(ROW),
        "score_rejects": columns(REJECT),
        "signatures": _signature_table(),
    }


def _signature_table() -> str:
    letters = {"-2": "C", "-3": "S"}
    lines = ["| signature | | name | |", "|---|---|---|---|"]
    for signature in signatures(classes=-2, side=-3):
        for verb, tensors in (("takes", signature.inputs), ("gives", signature.outputs)):
            for name, tensor in tensors.items():
                shape, text = tensor.text.split("]", 1)
                for number, letter in letters.items():
                    shape = shape.replace(number, letter)
                lines.append(f"| `{signature.name}` | {verb} | `{name}` | {shape}]{text} |")
    return "\n".join(lines)


def with_tables(page: str) -> str:
    """The page with its generated blocks as they are now."""
    for name, table in tables().items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        page = re.sub(
            f"{re.escape(begin)}.*?{re.escape(end)}",
            lambda _, begin=begin, table=table, end=end: f"{begin}\n{table}\n\n{end}",
            page,
            flags=re.DOTALL,
        )
    return page
