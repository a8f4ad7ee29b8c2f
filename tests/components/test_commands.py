"""The lines that messages give to type work as typed, wherever the user is."""

import ast
import os
import re
import subprocess
import sys

import pytest

from components.commands import bit_tfx, make_command, script_command
from components.process import ROOT

SOURCES = [ROOT / "local_runner.py"]
SOURCES += [
    p
    for name in ("components", "kubeflow", "pipeline", "serving")
    for p in (ROOT / name).rglob("*.py")
]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "docs").rglob("*.ipynb"),
    *(ROOT / "pipeline" / "config" / "presets").glob("*.yaml"),
    *(ROOT / "components").rglob("*.md"),
]
BARE = re.compile(r"(?<![\w/.-])python3? (?:-m |local_runner)")
IN_A_CONTAINER = (
    "exec python -m",
    "tests.kubeflow.image_build",
    "python -m kubeflow.node",
    "docker run",
    "ENTRYPOINT",
)
WITH_A_PATH = ("apache_beam.runners",)
"""Two lines of docs/how-to/beam.md, below the line that sets PATH."""


def documented(node):
    body = getattr(node, "body", None)
    first = body[0] if isinstance(body, list) and body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        yield first.value


def texts(path):
    """(text, whether it is a docstring) of each string in a source, f-strings in their parts."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {id(found) for node in ast.walk(tree) for found in documented(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, id(node) in docstrings


def test_no_message_names_a_python_that_is_not_the_one_that_runs():
    found = [
        f"{path.relative_to(ROOT)}: {text[:80]!r}"
        for path in SOURCES
        for text, is_docstring in texts(path)
        if BARE.search(text) or (not is_docstring and re.search(r"--\w+ OUTPUT\b", text))
    ]
    assert found == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_no_document_names_a_python_that_may_lack_the_packages(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    bare = [line for line in lines if BARE.search(line)]
    assert [x for x in bare if not any(word in x for word in (*IN_A_CONTAINER, *WITH_A_PATH))] == []


def test_a_path_is_quoted():
    line = bit_tfx("quarantine", "--output", "/runs/x y;'")
    assert line.endswith("""bit-tfx quarantine --output '/runs/x y;'"'"''""")


@pytest.mark.parametrize("place", ["beside this Python", "elsewhere", "nowhere"])
def test_the_name_alone_is_given_where_the_shell_finds_this_command(tmp_path, monkeypatch, place):
    python = tmp_path / "env" / "bin" / "python"
    for folder in (python.parent, tmp_path / "other"):
        folder.mkdir(parents=True)
        script = folder / "bit-tfx"
        script.write_text("#!/bin/sh\n")
        script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    folders = {"beside this Python": python.parent, "elsewhere": tmp_path / "other"}
    monkeypatch.setenv("PATH", str(folders.get(place, tmp_path)))
    name = "bit-tfx" if place == "beside this Python" else str(python.with_name("bit-tfx"))
    assert bit_tfx("runs") == f"{name} runs"


def test_a_python_without_the_command_names_the_projects_own(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert bit_tfx("runs") == f"{ROOT}/.venv/bin/bit-tfx runs"
    monkeypatch.chdir(ROOT)
    assert bit_tfx("runs") == ".venv/bin/bit-tfx runs"


@pytest.mark.parametrize("at_home", [True, False])
def test_what_is_printed_can_be_typed(tmp_path, monkeypatch, at_home):
    monkeypatch.chdir(ROOT if at_home else tmp_path)
    # Neither is a folder of the user's a source of modules.
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").write_text("raise SystemExit(7)")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    lines = [
        bit_tfx(*words, "--help") for words in (["quarantine"], ["kubeflow", "compile"], ["tfma"])
    ]
    lines += [f"{make_command('help')}", f"{script_command('local_runner.py')} --help"]
    for line in lines:
        ran = subprocess.run(
            line, shell=True, env=environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, (line, ran.stderr)
        if "bit-tfx" in line:
            assert "Usage: bit-tfx " in ran.stdout


def test_a_python_without_the_packages_gives_a_line_that_works(tmp_path):
    bare = [sys.executable, "-S", "-E", str(ROOT / "local_runner.py")]
    ran = subprocess.run(bare, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 1
    script = re.findall(r"`([^`]+)`", ran.stderr)[-1]
    ran = subprocess.run(
        f"{script} --help", shell=True, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0
