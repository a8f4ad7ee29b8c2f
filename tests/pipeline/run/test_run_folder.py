"""What the tasks of a run leave for each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import UserError
from components.progress import LOGGER, report_step
from pipeline.run.run_folder import StepRecorder, read_ir


def test_the_compiled_pipeline_comes_back(folder):
    address, sha256 = folder.write_ir('{"nodes": []}')
    assert read_ir(address, sha256) == '{"nodes": []}'


def test_one_that_was_changed_is_refused(folder):
    address, sha256 = folder.write_ir("{}")
    Path(address).write_text("{ }")
    with pytest.raises(UserError, match="somebody changed it"):
        read_ir(address, sha256)


def test_one_that_is_gone_is_named(folder):
    with pytest.raises(UserError, match="cannot be read"):
        read_ir(str(folder.path / "pipeline.json"), "0" * 64)


def test_the_newest_event_of_a_step_is_kept(folder):
    recorder = StepRecorder(folder)
    LOGGER.addHandler(recorder)
    level = LOGGER.level
    LOGGER.setLevel("INFO")
    try:
        report_step("Trainer", "running")
        assert folder.step("Trainer")["state"] == "running"
        report_step("Trainer", "complete", seconds=2.5)
    finally:
        LOGGER.removeHandler(recorder)
        LOGGER.setLevel(level)
    assert folder.step("Trainer")["seconds"] == 2.5
    assert folder.step("Pusher") is None
