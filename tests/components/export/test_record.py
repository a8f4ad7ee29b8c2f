"""A folder of an export is whole, or as it was."""

import json
import os
import signal

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


STEPS = ("replace", "unlink", "rmdir", "mkdir", "fsync")


def killed_at(number, target):
    """Whether a process that replaces an export was killed, before its step of this number."""
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)
        return os.WIFSIGNALED(status)
    left = [number]

    def counted(step):
        def call(*given, **named):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(*given, **named)

        return call

    code = 1
    try:
        for name in STEPS:
            setattr(os, name, counted(getattr(os, name)))
        write(target, b"second")
        code = 0
    finally:
        os._exit(code)


def test_a_kill_at_any_step_leaves_an_export_that_the_next_one_finds(tmp_path):
    found = []
    for number in range(1, 100):
        target = tmp_path / str(number) / "export"
        write(target, b"first")
        if not killed_at(number, target):
            break
        # What `bit-tfx export` does first, also where its own model is then rejected.
        check_target(target)
        assert content_of(target).keys() == {"model.onnx", "labels.txt", "export.json"}
        found.append(content_of(target)["model.onnx"])
        write(target, b"third")
        assert content_of(target)["model.onnx"] == b"third"
        assert os.listdir(target.parent) == ["export"]
    # All kills before the second rename leave the first export, all after it the second.
    assert set(found) == {b"first", b"second"}
    assert found == sorted(found)
    assert content_of(target)["model.onnx"] == b"second"
