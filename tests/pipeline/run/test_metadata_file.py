"""The metadata database before a run: held, damaged, of another version, or missing."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time

import ml_metadata
import pytest
from ml_metadata.proto import metadata_store_pb2

from components.errors import UserError
from pipeline.run.metadata_file import SCHEMA_VERSION, check_metadata, holders

HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    database.execute(statement).fetchone()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A database as the installed ML Metadata makes it."""
    path = tmp_path_factory.mktemp("made") / "metadata.sqlite"
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    config.sqlite.connection_mode = config.sqlite.READWRITE_OPENCREATE
    store = ml_metadata.MetadataStore(config)
    for number in range(30):
        store.put_artifact_type(metadata_store_pb2.ArtifactType(name=f"type {number}"))
    return path


@pytest.fixture
def output(tmp_path, made):
    """An output folder with a database and artifacts, whose name is awkward for URIs and shells."""
    folder = tmp_path / "a 'quoted' #?%20 [a]* ö"
    (folder / "metadata").mkdir(parents=True)
    (folder / "artifacts" / "Trainer").mkdir(parents=True)
    shutil.copy(made, folder / "metadata" / "metadata.sqlite")
    return folder


def check(folder):
    check_metadata(folder / "metadata" / "metadata.sqlite", folder / "artifacts")


def refusal(folder):
    started = time.monotonic()
    with pytest.raises(UserError) as caught:
        check(folder)
    assert time.monotonic() - started < 9
    sentence = str(caught.value)
    assert str(folder / "metadata" / "metadata.sqlite") in sentence
    for word in ("SELECT", "INSERT", "CREATE TABLE", "mysql", "Traceback"):
        assert word not in sentence
    return sentence


def test_one_that_is_well_is_used_and_not_changed(output):
    before = (output / "metadata" / "metadata.sqlite").read_bytes()
    check(output)
    assert (output / "metadata" / "metadata.sqlite").read_bytes() == before
    assert [path.name for path in (output / "metadata").iterdir()] == ["metadata.sqlite"]


def test_the_version_is_the_installed_ones(made):
    with sqlite3.connect(made) as database:
        assert database.execute("SELECT schema_version FROM MLMDEnv").fetchall() == [
            (SCHEMA_VERSION,)
        ]


def test_a_new_output_needs_none(tmp_path):
    check(tmp_path / "nothing")
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "metadata.sqlite").touch()
    check(tmp_path)


@pytest.mark.parametrize(
    "statements",
    [
        ("BEGIN EXCLUSIVE",),
        ("BEGIN IMMEDIATE",),
        ("BEGIN", "SELECT * FROM Type"),
        ("PRAGMA locking_mode = EXCLUSIVE", "BEGIN IMMEDIATE", "COMMIT"),
    ],
    ids=["exclusive", "writer", "reader", "browser"],
)
def test_one_that_is_held_names_the_process(output, statements):
    path = output / "metadata" / "metadata.sqlite"
    command = [sys.executable, "-c", HOLD, str(path), *statements]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as holder:
        assert holder.stdout.readline() == "held\n"
        sentence = refusal(output)
        assert f"process {holder.pid} ({sys.executable} -c" in sentence
        assert f"kill {holder.pid} ;" in sentence
        assert list(holders(path)) == [holder.pid]
        holder.communicate()
    check(output)


def test_a_lock_that_passes_is_waited_for(output):
    path = output / "metadata" / "metadata.sqlite"
    command = [sys.executable, "-c", HOLD, str(path), "BEGIN EXCLUSIVE"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as holder:
        holder.stdout.readline()
        closer = subprocess.Popen(["sh", "-c", f"sleep 0.5; kill {holder.pid}"])
        check(output)
        closer.wait()
        holder.wait()


def _cut(path):
    os.truncate(path, path.stat().st_size // 2)


def _spoil(path):
    content = bytearray(path.read_bytes())
    content[4096 : len(content) // 2] = os.urandom(len(content) // 2 - 4096)
    path.write_bytes(content)


def _run(*statements):
    def change(path):
        database = sqlite3.connect(path)
        for statement in statements:
            database.execute(statement)
        database.commit()
        database.close()

    return change


def _another(path):
    path.unlink()
    _run("CREATE TABLE notes (text)")(path)


def _folder(path):
    path.unlink()
    path.mkdir()


def _fifo(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_cut, "is damaged"),
        (_spoil, "is damaged"),
        (lambda path: path.write_bytes(b"no database at all" * 100), "it is no SQLite file"),
        (lambda path: path.write_bytes(b"SQLite format 3\0" + bytes(4080)), "is damaged"),
        (lambda path: path.write_bytes(b"SQL"), "it is no SQLite file"),
        (lambda path: path.write_bytes(b""), "is empty (0 bytes)"),
        (lambda path: path.unlink(), "is missing"),
        (_another, "it has no table Artifact"),
        (_run("DROP TABLE EventPath"), "it has no table EventPath"),
        (_run("UPDATE MLMDEnv SET schema_version = 11"), "made by a newer ML Metadata"),
        (_run("UPDATE MLMDEnv SET schema_version = 9"), "made by an older ML Metadata"),
        (_run("DELETE FROM MLMDEnv"), "it has no version"),
        (_run("DROP TABLE MLMDEnv"), "it has no version"),
        (_folder, "is a folder"),
        (_fifo, "is no file"),
    ],
    ids=[
        "cut", "spoilt", "garbage", "header alone", "three bytes", "zero", "missing", "another's",
        "a table", "newer", "older", "no version", "no versions", "folder", "fifo",
    ],
)  # fmt: skip
def test_a_damaged_one_is_named_and_the_cure_works_as_typed(output, damage, words):
    damage(output / "metadata" / "metadata.sqlite")
    sentence = refusal(output)
    assert words in sentence
    command = sentence.partition("Type: ")[2]
    subprocess.run(["bash", "-ec", command], check=True, timeout=20)
    assert not (output / "metadata").exists()
    assert not (output / "artifacts").exists()
    (aside,) = output.glob("damaged-*")
    assert (aside / "artifacts" / "Trainer").is_dir()
    check(output)


def test_one_that_may_not_be_written_is_said(output, as_nobody):
    path = output / "metadata" / "metadata.sqlite"
    path.chmod(0o444)
    with as_nobody(output):
        assert "cannot be read and written: Permission denied" in refusal(output)


def test_a_link_that_leads_nowhere_is_said(output):
    path = output / "metadata" / "metadata.sqlite"
    path.unlink()
    path.symlink_to("nowhere.sqlite")
    assert "No such file" in refusal(output)
