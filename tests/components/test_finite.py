"""Numbers for JSON."""

import doctest
import json
import math

import pytest

from components import finite


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_json_has_no_word_for_is_null_however_deep(number):
    value = {"a": number, "b": [1.5, {"c": (number, "x")}], "d": None, "e": True, "f": 3}
    told = finite.finite(value)
    assert told == {"a": None, "b": [1.5, {"c": [None, "x"]}], "d": None, "e": True, "f": 3}
    json.dumps(told, allow_nan=False)


def test_a_file_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "new" / "a.json"
    finite.write_json(path, {"ä": [1.5, float("inf"), None], "b": "x"})
    assert finite.read_json(path) == {"ä": [1.5, None, None], "b": "x"}
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="Expecting"):
        finite.read_json(path)


def test_the_example_of_its_use_is_true():
    assert doctest.testmod(finite).failed == 0
