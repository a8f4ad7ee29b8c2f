"""A folder of an export is whole, or as it was."""

import json
import os

import pytest

from components.errors import UserError
from components.export import record
from components.export.formats import FORMATS
from components.export.record import check_target, write_export

ONNX = FORMATS["onnx"]


def write(target, content=b"model"):
    write_export(target, ONNX, content, ("daisy", "röse"), {"loss": float("nan")})


def content_of(target):
    return {path.name: path.read_bytes() for path in target.iterdir()}


def test_three_files_are_written(tmp_path):
    target = tmp_path / "a" / "b"
    write(target)
    found = content_of(target)
    assert found.keys() == {"model.onnx", "labels.txt", "export.json"}
    assert found["labels.txt"].decode() == "daisy\nröse\n"
    assert json.loads(found["export.json"]) == {"loss": None}
    assert os.listdir(tmp_path / "a") == ["b"]


def test_an_earlier_export_is_replaced_and_nothing_else_is(tmp_path):
    target = tmp_path / "export"
    target.mkdir()
    check_target(target)
    write(target, b"first")
    check_target(target)
    write(target, b"second")
    assert content_of(target)["model.onnx"] == b"second"
    assert os.listdir(tmp_path) == ["export"]
    (target / "export.json").unlink()
    with pytest.raises(UserError, match="holds files that no export wrote"):
        check_target(target)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is no folder"):
        check_target(tmp_path / "file")


@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_disk_that_fails_leaves_the_earlier_export(tmp_path, monkeypatch, fails_at):
    target = tmp_path / "export"
    write(target, b"first")
    real, calls = record.rename, []

    def fail(source, place):
        calls.append(place)
        if len(calls) == fails_at:
            raise OSError(28, "No space left on device")
        real(source, place)

    monkeypatch.setattr(record, "rename", fail)
    with pytest.raises(OSError, match="No space left"):
        write(target, b"second")
    assert content_of(target)["model.onnx"] == b"first"
    assert os.listdir(tmp_path) == ["export"]
