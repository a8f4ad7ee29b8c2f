"""JSON files, and numbers for them: JSON has neither NaN nor infinity.

>>> to_json({"loss": float("nan"), "accuracy": 0.5})
'{"loss": null, "accuracy": 0.5}'
"""

from __future__ import annotations

import json
import math
from typing import Any

from components.storage import AnyPath, write_whole


def finite(value: Any) -> Any:
    """`value` with None for every float that is not finite, in dicts, lists and tuples too."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def to_json(value: Any, **options: Any) -> str:
    """JSON in which a number that is not finite is null; `options` are `json.dumps`'s."""
    return json.dumps(finite(value), allow_nan=False, **options)


def write_json(path: AnyPath, value: Any) -> None:
    """Writes a JSON file and its folder; a reader sees the old file or the new one, never half.

    A number that is not finite is null in it.
    """
    write_whole(path, to_json(value, indent=2) + "\n")


def read_json(path: AnyPath) -> Any:
    """The value of a JSON file.

    Raises:
      OSError, or TensorFlow's errors (`components.storage.io_errors`): it cannot be read.
      ValueError: it is no JSON.
    """
    return json.loads(path.read_text(encoding="utf-8"))
