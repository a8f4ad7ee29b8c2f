"""Numbers for JSON."""

import json
import math

import pytest

from components.finite import finite


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_json_has_no_word_for_is_null_however_deep(number):
    value = {"a": number, "b": [1.5, {"c": (number, "x")}], "d": None, "e": True, "f": 3}
    told = finite(value)
    assert told == {"a": None, "b": [1.5, {"c": [None, "x"]}], "d": None, "e": True, "f": 3}
    json.dumps(told, allow_nan=False)
