"""Paths that a run can write below."""

import os

import pytest

from components.errors import UserError
from pipeline.run.output_path import (
    SQLITE_BYTES,
    SQLITE_NAME_BYTES,
    check_database,
    check_folder,
    resolved_output,
)


@pytest.mark.parametrize("path", ["/a b/ü→/{x}#%20'\"&;$,=:~!()|", "gs://bucket/a b"])
def test_what_tfx_takes_is_taken(path):
    check_folder("--output", path)


@pytest.mark.parametrize("character", [*"*?[]\\", "\n", "\t", "\x7f", "\udcff"])
def test_what_tfx_does_not_take_is_named(character):
    with pytest.raises(UserError, match="--output"):
        check_folder("--output", f"/runs/a{character}b")


def test_a_link_that_leads_to_such_a_folder_is_one(tmp_path):
    (tmp_path / "x[1]").mkdir()
    (tmp_path / "plain").symlink_to("x[1]")
    with pytest.raises(UserError, match="part of a pattern"):
        resolved_output(tmp_path / "plain")


def test_links_in_a_circle_are_no_folder(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    if os.path.realpath(tmp_path / "a") != str(tmp_path / "a"):
        return
    try:
        assert resolved_output(tmp_path / "a") == tmp_path / "a"
    except UserError as error:
        assert "circle" in str(error)  # noqa: PT017  # By the Python.


def open_store(path):
    from ml_metadata import metadata_store
    from ml_metadata.proto import metadata_store_pb2

    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = path
    config.sqlite.connection_mode = config.sqlite.READWRITE_OPENCREATE
    metadata_store.MetadataStore(config)


def assert_sqlite_agrees(path, refused, words):
    """A database that is refused cannot be opened, and one that is taken can."""
    if refused:
        with pytest.raises(UserError, match=words):
            check_database("--output x", path)
        with pytest.raises(RuntimeError, match="unable to open database file"):
            open_store(path)
    else:
        check_database("--output x", path)
        open_store(path)


@pytest.mark.parametrize("beyond", [0, 1])
def test_sqlite_opens_what_is_taken_and_nothing_longer(tmp_path, beyond):
    length = SQLITE_BYTES + beyond
    folder = str(tmp_path)
    while length - len(folder) > 240:
        folder += "/" + "d" * 100
    path = f"{folder}/{'m' * (length - len(folder) - 1)}"
    os.makedirs(folder)
    assert_sqlite_agrees(path, beyond, "too long")


@pytest.mark.parametrize("beyond", [0, 1])
def test_the_journal_of_a_database_has_a_name_too(tmp_path, beyond):
    path = f"{tmp_path}/{'m' * (SQLITE_NAME_BYTES + beyond)}"
    assert_sqlite_agrees(path, beyond, "too long a name")
