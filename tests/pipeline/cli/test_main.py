"""`bit-tfx` as users start it: help at once, suggestions, and one sentence for a mistake."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from components.process import ROOT
from pipeline.cli.command_line import perform
from pipeline.cli.main import VERBS, command
from pipeline.cli.reference import render
from tests.command import BIT_TFX, bit_tfx
from tests.pipeline.test_layers import FRAMEWORKS


def test_help_names_every_verb_and_each_has_help():
    shown = bit_tfx("--help").stdout
    for verb in (*VERBS, "kubeflow", "serve"):
        assert f"\n  {verb} " in shown
        helped = bit_tfx(verb, "--help")
        assert helped.returncode == 0
        assert f"Usage: bit-tfx {verb} " in helped.stdout


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["kubeflow", "submit", "--help"]]
)
def test_help_answers_at_once_and_imports_no_more_than_it_needs(arguments):
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*BIT_TFX, *arguments], cwd=ROOT, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    # Of the processor: on a busy machine the clock measures the others.
    assert min(times) < 0.5
    command = [sys.executable, "-X", "importtime", "-m", "pipeline.cli", *arguments]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stderr
    loaded = {line.rpartition("|")[2].strip() for line in said.splitlines()}
    assert not loaded & {*FRAMEWORKS, "pydantic", "rich", "numpy", "kfp"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rnu"], "No such command 'rnu'. Did you mean 'run'?"),
        (["run", "--outptu", "x"], "No such option '--outptu'. Did you mean '--output'?"),
        (["kubeflow", "sumbit"], "Did you mean 'submit'?"),
        (["run", "digits"], "Unexpected word 'digits'. Did you mean '--preset digits'?"),
        (["run", "mine.yaml"], "Did you mean '--config mine.yaml'?"),
        (["check", "docs"], "Did you mean '--folder docs'?"),
        (["runs", "docs"], "Did you mean '--output docs'?"),
        (["runs", "nonsense"], "Unexpected word 'nonsense'. It belongs to no option."),
        (["run", "--preset", "digits", "--config", "x.yaml"], "exclude each other"),
        (["run", "--folder", "x", "--data", "y"], "--folder and --data exclude each other"),
        (["check", "--tfrecords", "train=x"], "--tfrecords and --classes go together"),
        (["init"], "give one of --folder and --table"),
        (["run", "--preset"], "'--preset' requires an argument"),
        (["kubeflow", "submit", "x.yaml", "--no-catchup"], "--no-catchup goes with --cron."),
    ],
)
def test_a_mistake_is_one_sentence_with_the_way_to_help(arguments, words, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert perform(command, arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert len(said.err.splitlines()) == 1
    assert words in said.err
    helping = said.err.split("`")[1]
    assert helping.endswith(" --help")
    assert "bit-tfx" in helping


def test_the_version_is_that_of_the_project():
    (line,) = [x for x in (ROOT / "pyproject.toml").read_text().splitlines() if "version = " in x][
        :1
    ]
    assert bit_tfx("--version").stdout == f"bit-tfx {json.loads(line.partition('= ')[2])}\n"


@pytest.mark.parametrize(
    ("words", "complete"),
    [
        ("bit-tfx r", ["run", "runs", "report", "rollback"]),
        ("bit-tfx run --preset f", ["flowers", "flowers-full", "flowers102"]),
        ("bit-tfx kubeflow ", ["compile", "score", "submit"]),
        ("bit-tfx run --no", ["--no-cache"]),
    ],
)
def test_the_shell_completes_verbs_options_and_presets(words, complete):
    *before, last = words.split(" ")
    environment = {
        "_BIT_TFX_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(before)),
    }
    lines = bit_tfx(environment=environment).stdout.splitlines()
    assert [line.partition(",")[2] for line in lines] == complete
    assert all(line.startswith("plain,") for line in lines), last


def test_the_script_for_a_shell_names_the_command():
    script = bit_tfx(environment={"_BIT_TFX_COMPLETE": "bash_source"}).stdout
    assert "complete -o nosort -F _bit_tfx_completion bit-tfx" in script


def test_the_installed_script_works_from_any_folder(tmp_path):
    script = Path(sys.executable).with_name("bit-tfx")
    assert script.exists(), "type `make setup`"
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").write_text("raise SystemExit('the wrong pipeline')")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ran = subprocess.run(
        [script, "kubeflow", "--help"], cwd=tmp_path, env=environment, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert "submit" in ran.stdout


def test_the_reference_is_up_to_date():
    """Mend it with `.venv/bin/python -m pipeline.cli.reference > docs/reference/cli.md`."""
    assert (ROOT / "docs" / "reference" / "cli.md").read_text() == render()


def test_local_runner_is_the_verb_run():
    first, second = (
        subprocess.check_output([sys.executable, *command, "--help"], cwd=ROOT, text=True)
        for command in (["local_runner.py"], ["-m", "pipeline.cli", "run"])
    )
    assert first.partition("\n")[2] == second.partition("\n")[2]
    assert len((ROOT / "local_runner.py").read_text().splitlines()) <= 60
