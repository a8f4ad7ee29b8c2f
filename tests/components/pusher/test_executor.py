"""Pusher's executor, and its retry in an execution that another attempt began."""

import json
import shutil
from pathlib import Path

import pytest
from tfx.components.evaluator import constants
from tfx.types import standard_artifacts

from components.pusher.executor import Executor
from components.pusher.versions import versions


@pytest.fixture
def push(tmp_path):
    """Pushes in the execution with a number; returns the pushed_model artifact."""
    model = standard_artifacts.Model()
    model.uri = str(tmp_path / "model")
    folder = tmp_path / "model" / "Format-Serving"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_text("graph")
    blessing = standard_artifacts.ModelBlessing()
    blessing.uri = str(tmp_path / "blessing")

    def start(execution, blessed=1):
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, blessed)
        pushed = standard_artifacts.PushedModel()
        pushed.uri = str(tmp_path / "pushed_model" / str(execution))
        shutil.rmtree(pushed.uri, ignore_errors=True)
        Path(pushed.uri).mkdir(parents=True)
        destination = {"filesystem": {"base_directory": str(tmp_path / "serving")}}
        Executor().Do(
            {"model": [model], "model_blessing": [blessing]},
            {"pushed_model": [pushed]},
            {"push_destination": json.dumps(destination), "custom_config": "{}"},
        )
        return pushed

    start.serving = tmp_path / "serving"
    start.model = folder
    return start


def was_pushed(artifact):
    return artifact.get_int_custom_property("pushed") == 1


def test_the_same_model_is_pushed_once(push):
    assert was_pushed(push(1))
    assert not was_pushed(push(2))
    assert len(versions(push.serving)) == 1


def test_a_retry_of_the_execution_that_pushed_says_that_it_did(push):
    before = push(1)
    after = push(1)
    assert was_pushed(after)
    for name in ("pushed_destination", "pushed_version"):
        assert after.get_string_custom_property(name) == before.get_string_custom_property(name)
    assert len(versions(push.serving)) == 1
    assert Path(after.uri, "saved_model.pb").read_text() == "graph"


def test_a_retry_after_another_model_was_pushed_pushes(push):
    push(1)
    (push.model / "saved_model.pb").write_text("another graph")
    push(2)
    (push.model / "saved_model.pb").write_text("graph")
    assert was_pushed(push(1))
    assert len(versions(push.serving)) == 3


def test_a_model_that_is_not_blessed_is_not_pushed(push):
    assert not was_pushed(push(1, blessed=0))
    assert versions(push.serving) == []
