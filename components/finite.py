"""Numbers for JSON, which has neither NaN nor infinity."""

from __future__ import annotations

import json
import math
from typing import Any


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
