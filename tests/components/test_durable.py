"""What is published is on the disk first, whole, and nothing of a failure is left."""

import os
from pathlib import Path

import pytest

from components.drafts import opened
from components.durable import make_folder, rename, sync, sync_tree
from components.example_gen.shard_writer import (
    EXAMPLES,
    INDEX,
    QUARANTINE,
    name_files,
    write_shard,
)
from components.example_gen.sources.tfds_shard import TfdsShard
from components.storage import try_writing, write_whole
from tests.recorded import fails_at, recorded

EMPTY = TfdsShard("train", 0, 1, "", 0, 0, file_format="tfrecord")


def test_a_file_is_on_the_disk_before_its_name_and_its_name_after(tmp_path):
    target = tmp_path / "run_summary.json"
    write_whole(target, "old")
    with recorded() as calls:
        write_whole(target, "new")
    (synced, unfinished), named, folder = calls
    assert (synced, named, folder) == ("fsync", ("replace", target), ("fsync", tmp_path))
    assert unfinished.parent == tmp_path
    assert unfinished != target
    assert target.read_text() == "new"


def test_new_folders_are_on_the_disk_too(tmp_path):
    with recorded() as calls:
        write_whole(tmp_path / "a" / "b" / "page.html", "x")
    assert calls[:2] == [("fsync", tmp_path), ("fsync", tmp_path / "a")]


def test_a_tree_is_synced_file_by_file_and_folders_after_them(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("a", "deep/b"):
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to("nowhere")
    with recorded() as calls:
        sync_tree(tmp_path)
    assert [path for _, path in calls] == [
        tmp_path / "deep" / "b", tmp_path / "deep", tmp_path / "a", tmp_path,
    ]  # fmt: skip


def test_whatever_step_fails_a_file_is_the_old_one_or_the_new_one(tmp_path):
    target = tmp_path / "new" / "page.html"
    number, heard = 1, []
    while said := fails_at(number, lambda: write_whole(target, f"text {number}")):  # noqa: B023
        heard.append("No space left" in said)
        if target.exists():
            assert target.read_text() in {f"text {n}" for n in range(1, number + 1)}
            assert [path.name for path in target.parent.iterdir()] == [target.name]
        number += 1
    assert sum(heard) > 4
    assert target.read_text() == f"text {number}"


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_disk_that_refuses_a_file_is_an_error_and_a_folder_is_not(tmp_path, monkeypatch, kind):
    path = tmp_path / "x"
    path.mkdir() if kind == "folder" else path.write_text("")

    def refuse(descriptor):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    if kind == "folder":
        sync(path)
    else:
        with pytest.raises(OSError, match="Invalid argument"):
            sync(path)


def test_a_folder_in_the_way_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"exists|Not a directory"):
        make_folder(tmp_path / "file" / "below")
    (tmp_path / "page").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        rename(tmp_path / "file", tmp_path / "page")


def test_a_shard_is_on_the_disk_before_its_name(tmp_path):
    uris = {name: str(tmp_path / name) for name in (EXAMPLES, INDEX, QUARANTINE)}
    with recorded() as calls, opened(uris[EXAMPLES]) as drafts:
        _, files = write_shard([], EMPTY, drafts)
        name_files(files, "train", uris, drafts)
    named = [(at, path) for at, (call, path) in enumerate(calls) if call == "replace"]
    names = {path.name for _, path in named}
    assert names == {"data_tfrecord-00000-of-00001.gz", "part-00000-of-00001.parquet"}
    for at, target in named:
        (draft,) = (file.draft for file in files if file.name == target.name)
        assert ("fsync", Path(draft)) in calls[:at]
        assert calls[at + 1] == ("fsync", target.parent)
    assert {path.name for path in (tmp_path / EXAMPLES).iterdir()} == {"Split-train"}


def test_a_shard_that_breaks_off_leaves_nothing_that_is_read(tmp_path):
    def broken():
        raise ZeroDivisionError
        yield

    with opened(str(tmp_path)) as drafts:
        before = list(Path(drafts.folder).iterdir())
        with pytest.raises(ZeroDivisionError):
            write_shard(broken(), EMPTY, drafts)
        assert list(Path(drafts.folder).iterdir()) == before
    assert list(tmp_path.iterdir()) == []


def test_a_place_is_tried_without_leaving_anything(tmp_path):
    try_writing(tmp_path / "not" / "there")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    for wrong in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(NotADirectoryError):
            try_writing(wrong)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        try_writing(tmp_path / "link" / "serving")


def test_a_place_in_a_store_is_tried(store):
    from components.storage import as_path

    try_writing(as_path(store) / "serving")
    assert list((as_path(store) / "serving").iterdir()) == []


def test_the_recorder_makes_the_calls(tmp_path):
    with recorded() as calls:
        (tmp_path / "a").write_text("x")
        os.replace(tmp_path / "a", tmp_path / "b")
        Path(tmp_path / "b").unlink()
    assert [name for name, _ in calls] == ["replace", "unlink"]
    assert list(tmp_path.iterdir()) == []
