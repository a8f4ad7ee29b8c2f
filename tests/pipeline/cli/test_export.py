"""`bit-tfx export`: what is wrong is said before TensorFlow is loaded, with what to type."""

import json
import subprocess
import sys

import pytest

from pipeline.cli.command_line import perform
from pipeline.cli.export import command
from pipeline.run import export as exporting

CARD = {
    "model": {"version": 7, "run_id": "20261130-101500-000000"},
    "data": {"class_names": ["daisy", "rose"]},
    "preprocessing": {"evaluate": 24, "background": [255, 255, 255]},
    "split": "eval",
    "gates": [],
}


@pytest.fixture
def serving(tmp_path):
    """Two versions that look like pushed ones, in no output folder."""
    folder = tmp_path / "serving"
    for version in ("3", "7"):
        extra = folder / version / "assets.extra"
        extra.mkdir(parents=True)
        (folder / version / "saved_model.pb").write_bytes(b"")
        (extra / "model_card.json").write_text(json.dumps(CARD))
    return folder


@pytest.fixture
def said(capsys):
    def perform_and_say(*arguments):
        code = perform(command, [str(each) for each in arguments])
        return code, " ".join(capsys.readouterr().err.split())

    return perform_and_say


def image(folder, *names):
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "1.png").write_bytes(b"")
    return folder


def test_a_format_is_needed_and_must_be_known(serving, said):
    code, text = said(serving)
    assert code == 2
    assert "--format" in text
    code, text = said(serving, "--format", "coreml")
    assert code == 2
    assert "'tflite', 'tflite-float16', 'tflite-int8', 'onnx'" in text


def test_a_path_without_a_model_says_what_was_meant(tmp_path, serving, said):
    assert said(tmp_path / "nowhere", "--format", "tflite") == (
        2,
        f"error: {tmp_path / 'nowhere'} is neither a served model nor a folder of versions.",
    )
    code, text = said(tmp_path, "--format", "tflite")
    assert (code, text.endswith(f"Did you mean {serving}?")) == (2, True)
    code, text = said(serving / "5", "--format", "tflite")
    assert text == f"error: {serving} holds no version 5; there are 3, 7."


@pytest.mark.parametrize("format_", ["tflite", "onnx"])
def test_the_version_that_serves_is_taken_and_needs_a_place(serving, said, format_):
    code, text = said(serving, "--format", format_)
    assert code == 2
    assert text.startswith(f"error: {serving}/7 is in no output folder of a run: add --to FOLDER")


def test_without_lineage_images_are_needed(serving, said, tmp_path):
    code, text = said(serving / "3", "--format", "tflite", "--to", tmp_path / "to")
    assert code == 2
    assert f"{serving}/3 is in no output folder with its metadata" in text
    assert "add --examples DIR" in text
    assert not (tmp_path / "to").exists()


def test_a_model_without_a_card_is_refused(serving, said, tmp_path):
    (serving / "7" / "assets.extra" / "model_card.json").unlink()
    code, text = said(serving, "--format", "tflite", "--to", tmp_path / "to")
    assert code == 2
    assert "has no assets.extra/model_card.json" in text


def test_a_folder_with_other_files_is_not_written_into(serving, said, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").write_text("")
    code, text = said(serving, "--format", "tflite", "--to", tmp_path / "mine")
    assert code == 2
    assert "holds files that no export wrote" in text
    code, text = said(serving, "--format", "tflite", "--to", "gs://bucket/models")
    assert (code, "give a folder on this machine" in text) == (2, True)


def test_images_of_other_classes_are_refused(serving, said, tmp_path):
    to = ("--format", "tflite", "--to", tmp_path / "to")
    code, text = said(serving, *to, "--examples", tmp_path / "none")
    assert (code, "there is no such folder" in text) == (2, True)
    code, text = said(serving, *to, "--examples", image(tmp_path / "a", "rose", "tulip"))
    assert code == 2
    assert "the folder 'tulip' is none of the model's classes (daisy, rose)" in text


def test_8_bit_numbers_need_images_of_their_own(serving, said, tmp_path):
    images = image(tmp_path / "few", "daisy", "rose")
    to = ("--to", tmp_path / "to", "--examples", images)
    code, text = said(serving, "--format", "tflite-int8", *to)
    assert code == 2
    assert "holds 2 images: 8-bit numbers need 5 at least" in text


def test_a_card_without_gates_cannot_judge(serving, said, tmp_path):
    images = image(tmp_path / "images", "daisy", "rose")
    code, text = said(serving, "--format", "tflite", "--to", tmp_path / "to", "--examples", images)
    assert code == 2
    assert "the model's card has no gate" in text


def test_what_onnx_needs_is_named_where_it_is_missing(serving, said, monkeypatch):
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    code, text = said(serving, "--format", "onnx")
    assert code == 2
    assert text.endswith("EXTRAS=onnx` first.")
    assert "make" in text


def test_mistakes_are_told_without_tensorflow():
    """In under a second, and not in five."""
    code = (
        "import sys; from pipeline.cli.command_line import perform;"
        "from pipeline.cli.export import command;"
        "perform(command, ['/nowhere', '--format', 'onnx']);"
        "print('tensorflow' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
    assert "is neither a served model" in ran.stderr
