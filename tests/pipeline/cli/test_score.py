"""`bit-tfx score` as it is typed: what is wrong with a line is said before anything is loaded."""

import subprocess
import sys

import pytest

from components.process import ROOT
from pipeline.cli.command_line import perform
from pipeline.cli.main import command
from tests.command import bit_tfx
from tests.pipeline.test_layers import FRAMEWORKS

LINE = ["score", "--model", "m", "--images", "photos", "--output", "p.parquet"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["score"], "Missing option '--model'"),
        (LINE[:-2], "Missing option '--output'"),
        ([*LINE, "--sort", "size"], "'size' is not one of 'name', 'entropy'"),
        ([*LINE, "--top-k", "0"], "Invalid value for '--top-k'"),
        ([*LINE, "--batch-size", "0"], "Invalid value for '--batch-size'"),
        ([*LINE, "README.md"], "If the shell filled in a pattern, put it in quotes."),
        ([*LINE, "--convert", "svg"], "--convert svg: give one of avif, bmp, cmyk, gif"),
    ],
)
def test_a_mistake_in_the_line(arguments, words, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert perform(command, arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert words in said.err


def test_what_it_takes_is_said_before_a_framework_is_loaded():
    code = f"""
import sys
from pipeline.cli.command_line import perform
from pipeline.cli.main import command
assert perform(command, {[*LINE, "--convert", "svg"]!r}) == 2
print(sorted(set({FRAMEWORKS!r}) & set(sys.modules)))
"""
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert shown.stdout == "[]\n"


def test_no_model_and_no_images_are_one_sentence(tmp_path):
    line = [*LINE[:1], "--model", tmp_path / "serving", *LINE[3:]]
    ended = bit_tfx(*line, cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr == (
        f"error: --model {tmp_path}/serving: there is no such folder; give the folder `serving` of "
        "a run's output: --model runs/digits/serving.\n"
    )
    assert ended.stdout == ""
    assert list(tmp_path.iterdir()) == []
