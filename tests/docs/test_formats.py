"""Files as the pipeline's own writers write them, against the JSON schemas of the documents."""

import json

import jsonschema
import pytest

from components.data_gate.checks import CHECKS, Check, write_checks
from components.evaluator.gates import OVERALL, Measured, compare
from components.evaluator.results import Findings, write_findings, write_gates
from components.pusher.card_text import render_json
from pipeline.config import dump_config, load_config, preset_names
from pipeline.run.summary import USAGE, Summary, write_summary
from tests import cards
from tests.docs.formats import FOLDER, validator


def valid(name, path):
    """The value of a file; it has every key of its schema and no other."""
    value = json.loads(path.read_text(encoding="utf-8"))
    validator(name).validate(value)
    return value


def keys_of(name):
    schema = validator(name).schema
    if schema.get("type") == "array":
        schema = schema["$defs"][schema["items"]["$ref"].rpartition("/")[2]]
    return schema["properties"].keys()


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_it_is_a_json_schema(path):
    validator(path.name.removesuffix(".schema.json"))


def test_a_summary(tmp_path):
    config = dump_config(load_config("digits"))
    summary = Summary("digits", "20261130", USAGE, config, reasons=["no such data"])
    write_summary(tmp_path / "run_summary.json", summary)
    value = valid("run_summary", tmp_path / "run_summary.json")
    assert value.keys() == keys_of("run_summary")
    validator("configuration").validate(value["config"])


def test_what_was_measured(tmp_path):
    measured = {OVERALL: {"accuracy": Measured(0.9, 0.8, 1.0, 10), "loss": Measured(float("nan"))}}
    write_findings(Findings(measured, {}, unanswered=1, clipped=2), str(tmp_path))
    value = valid("metrics", tmp_path / "metrics.json")
    assert value.keys() == keys_of("metrics")
    assert value["candidate"][0]["metrics"]["loss"]["value"] is None


def test_gates(tmp_path):
    write_gates([compare("evaluation.min_accuracy", "accuracy", 0.9, 0.8)], str(tmp_path))
    (gate,) = valid("gates", tmp_path / "gates.json")
    assert gate.keys() == keys_of("gates")


def test_checks(tmp_path):
    check = Check("data_gate.anomalies", "all splits", True, True, None, None, "none")
    write_checks([check], {"train": {"a": 1}}, str(tmp_path))
    (found,) = valid("checks", tmp_path / CHECKS)
    assert found.keys() == keys_of("checks")


def test_a_model_card(tmp_path):
    (tmp_path / "card.json").write_text(render_json(cards.card()), encoding="utf-8")
    assert valid("model_card", tmp_path / "card.json").keys() == keys_of("model_card")


@pytest.mark.parametrize("name", preset_names())
def test_a_configuration(name):
    validator("configuration").validate(dump_config(load_config(name)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("run_summary", {}),
        ("gates", [{"key": "evaluation.min_accuracy"}]),
        ("history", [{"epoch": "1"}]),
        ("configuration", {"pipeline_name": "x", "data": {"nam": "digits"}}),
    ],
)
def test_what_is_no_such_file_is_refused(name, value):
    with pytest.raises(jsonschema.ValidationError):
        validator(name).validate(value)
