"""Every place that a run writes, tried before it starts."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from components.errors import UserError
from components.storage import as_path
from pipeline.config import load_config
from pipeline.inputs.code import ROOT
from pipeline.run import preflight
from pipeline.run.layout import Layout
from pipeline.run.preflight import check_output, check_stores

PLACES = ("serving", "artifacts", "checkpoints", "metadata", "report", "logs")


def config(*overrides):
    return load_config("digits", overrides=list(overrides))


def test_a_new_output_is_left_as_it_was(tmp_path):
    check_output(Layout(tmp_path / "new" / "output"), config())
    assert list(tmp_path.iterdir()) == []


def test_a_used_output_is_left_as_it_was(tmp_path):
    for name in PLACES:
        (tmp_path / name).mkdir()
    check_output(Layout(tmp_path), config())
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(PLACES)


@pytest.mark.parametrize("name", PLACES)
def test_a_file_in_a_folders_place_is_said(tmp_path, name):
    (tmp_path / name).write_text("")
    with pytest.raises(UserError, match=f"{tmp_path}/{name}.*Not a directory"):
        check_output(Layout(tmp_path), config())


@pytest.mark.parametrize("name", PLACES)
def test_a_folder_that_may_not_be_written_is_said(tmp_path, name, as_nobody):
    tmp_path.chmod(0o777)
    (tmp_path / name).mkdir()
    (tmp_path / name).chmod(0o555)
    with as_nobody(tmp_path), pytest.raises(UserError, match=f"/{name}.*Permission denied"):
        check_output(Layout(tmp_path), config())


@pytest.mark.parametrize("name", PLACES)
def test_a_link_to_a_disk_that_is_not_mounted_is_said(tmp_path, name):
    (tmp_path / name).symlink_to(tmp_path / "not" / "mounted")
    with pytest.raises(UserError, match=f"{tmp_path}/{name}.*No such file"):
        check_output(Layout(tmp_path), config())


@pytest.mark.parametrize(
    "name", ["run_summary.json", "report/index.html", "report/runs.html", "metadata/last_run.json"]
)
def test_a_folder_in_a_files_place_is_said(tmp_path, name):
    (tmp_path / name).mkdir(parents=True)
    with pytest.raises(UserError, match=f"{tmp_path}/{name} is a folder"):
        check_output(Layout(tmp_path), config())


def test_a_file_in_the_place_of_a_steps_folder_is_said(tmp_path):
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "Pusher").write_text("")
    with pytest.raises(UserError, match="artifacts/Pusher is a file"):
        check_output(Layout(tmp_path), config())


def test_the_schema_to_write_and_beams_folders_are_tried(tmp_path):
    (tmp_path / "file").write_text("")
    below = tmp_path / "file" / "below"
    schema = ("data.curated_schema=null", f"data.write_schema={below}/schema.pbtxt")
    with pytest.raises(UserError, match=r"file/below \(data.write_schema\) cannot be written"):
        check_output(Layout(tmp_path), config(*schema))
    with pytest.raises(UserError, match=r"file/below \(beam.options.temp_location\)"):
        check_output(Layout(tmp_path), config(f"beam.options.temp_location={below}"))


def test_a_full_disk_is_refused_and_a_nearly_full_one_is_warned_of(tmp_path, monkeypatch):
    real = os.statvfs(tmp_path)
    free = real.f_bavail * real.f_frsize
    assert check_output(Layout(tmp_path), config()) == [] or free < preflight._LOW_BYTES
    monkeypatch.setattr(preflight, "_LOW_BYTES", free + (1 << 40))
    (warning,) = check_output(Layout(tmp_path), config())
    assert f"are free on the disk of {tmp_path}" in warning
    monkeypatch.setattr(preflight, "_FULL_BYTES", free + (1 << 40))
    with pytest.raises(UserError, match=f"The disk of {tmp_path} is full"):
        check_output(Layout(tmp_path), config())


def test_in_a_store_an_object_is_written_and_removed(store, monkeypatch):
    layout = Layout(f"{store}/output")
    check_stores(layout, config())
    assert list((as_path(store) / "output" / "serving").iterdir()) == []
    import tensorflow as tf

    def refuse(*_, **__):
        raise tf.errors.PermissionDeniedError(None, None, "403: no storage.objects.create")

    monkeypatch.setattr("components.storage.as_path", as_path)
    monkeypatch.setattr(type(layout.serving), "write_text", refuse)
    with pytest.raises(UserError, match=r"output \(the output\) cannot be written.*403"):
        check_stores(layout, config())


def started(output, **options):
    command = [sys.executable, str(ROOT / "local_runner.py"), "--output", str(output)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_the_runner_ends_at_once_with_a_summary(tmp_path):
    (tmp_path / "serving").write_text("")
    ran = started(tmp_path)
    assert ran.returncode == 2
    assert f"error: {tmp_path}/serving" in ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr
    summary = json.loads((tmp_path / "run_summary.json").read_text())
    assert summary["exit_code"] == 2
    assert f"{tmp_path}/serving" in summary["reasons"][0]
    assert not (tmp_path / "logs").exists()
    assert not (tmp_path / "artifacts").exists()


def test_the_runner_clears_what_killed_pushes_left(tmp_path):
    from components.durable import unfinished_folder

    with unfinished_folder(tmp_path / "serving", ".unfinished-") as folder:
        shutil.copytree(folder, tmp_path / "left")
        name = folder.name
    (tmp_path / "left").rename(tmp_path / "serving" / name)
    # It ends early all the same, at another place.
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "metadata.sqlite").write_text("garbage")
    ran = started(tmp_path)
    assert ran.returncode == 2
    assert "metadata.sqlite is damaged" in ran.stderr
