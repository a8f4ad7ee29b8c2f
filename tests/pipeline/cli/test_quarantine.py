"""`bit-tfx quarantine` on an output folder that a run left."""

import json

import pytest
import tensorflow as tf

from components.example_gen.screen.quarantine import Reject, to_record
from pipeline.cli.command_line import perform
from pipeline.cli.quarantine import command

REJECTS = {
    "train": [
        Reject("roses/a b.jpg", "truncated", "it ends early", b"\xff\xd8", 0),
        Reject("roses/c.jpg", "truncated", "it ends early", b"\xff\xd8\xff", 0),
        Reject("tulips/d.jpg", "empty", "it has no byte", b"", 1),
    ],
    "test": [
        Reject(b"fleur_\xe9[/b].jpg".decode("utf-8", "surrogateescape"), "empty", "[/i]", b"", 0)
    ],
    "eval": [Reject(f"x/{n}.jpg", "not_an_image", "junk", b"junk", None) for n in range(5)],
}


@pytest.fixture
def output(tmp_path):
    quarantine = tmp_path / "artifacts" / "quarantine"
    for split, rejects in REJECTS.items():
        folder = quarantine / f"Split-{split}"
        folder.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(folder / "rejects-00000-of-00001.tfrecord")) as writer:
            for reject in rejects:
                writer.write(to_record(reject))
    summary = {"quarantine": str(quarantine), "counts": {"read": 9}, "reasons": []}
    (tmp_path / "run_summary.json").write_text(json.dumps(summary))
    return tmp_path


def test_the_table_counts_by_split_and_reason_and_names_some(output, capsys):
    assert perform(command, ["--output", str(output)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "eval not_an_image 5 x/0.jpg: junk" in lines
    assert "and 2 more" in lines
    assert r"test empty 1 fleur_\xe9[/b].jpg: [/i]" in lines
    assert "train empty 1 tulips/d.jpg: it has no byte" in lines
    assert "train truncated 2 roses/a b.jpg: it ends early" in lines


def test_every_byte_is_written_as_a_file(output, tmp_path, capsys):
    folder = tmp_path / "out"
    assert perform(command, ["--output", str(output), "--extract", str(folder)]) == 0
    assert "9 records are in" in capsys.readouterr().out
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert found["train/truncated/000000-roses_a_b.jpg"] == b"\xff\xd8"
    assert found["train/empty/000002-tulips_d.jpg"] == b""
    assert len(found) == 9


def test_a_folder_with_files_is_not_written_into(output, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").write_text("")
    assert perform(command, ["--output", str(output), "--extract", str(tmp_path / "mine")]) == 2
    assert "it is not empty" in capsys.readouterr().err


def test_a_run_without_rejects_says_so(tmp_path, capsys):
    summary = {"quarantine": None, "counts": {"read": 9}, "reasons": []}
    (tmp_path / "run_summary.json").write_text(json.dumps(summary))
    assert perform(command, ["--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "Nothing was set aside.\n"


def test_a_run_that_read_nothing_says_why(tmp_path, capsys):
    summary = {"quarantine": None, "counts": {"read": 0}, "reasons": ["no such data"]}
    (tmp_path / "run_summary.json").write_text(json.dumps(summary))
    assert perform(command, ["--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "The last run read no data: no such data\n"


@pytest.mark.parametrize(
    "text",
    [None, "", "[]", '{"quarantine": "/nowhere", "counts": {"read": 1}, "reasons": []}'],
)
def test_what_cannot_be_read_is_said(tmp_path, text, capsys):
    if text is not None:
        (tmp_path / "run_summary.json").write_text(text)
    assert perform(command, ["--output", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: ")
