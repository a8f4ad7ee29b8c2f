"""Which edit reruns which step, by the digests of a copy of the project."""

import ast
import doctest
import json
import shutil
import subprocess
import sys

import grimp
import pytest

from pipeline.inputs import code
from pipeline.inputs.code import ROOT, code_digest, imported_modules, step_digests
from pipeline.steps import TABLE

STEPS = {step.id for step in TABLE if step.module}


@pytest.fixture(scope="module")
def before():
    return digests(ROOT)


@pytest.fixture
def project(tmp_path):
    return copy_project(tmp_path)


def copy_project(target):
    for folder in ("components", "pipeline"):
        ignored = shutil.ignore_patterns("__pycache__", "bit-mini")
        shutil.copytree(ROOT / folder, target / folder, ignore=ignored)
    return target


def digests(project):
    code = (
        "import json; from pipeline.inputs.code import *;"
        "print(json.dumps({**step_digests(), 'project': project_digest()}))"
    )
    return json.loads(subprocess.check_output([sys.executable, "-c", code], cwd=project))


EDITS = [
    ("components/trainer/schedule.py", {"Trainer", "Tuner"}),
    ("components/trainer/input_pipeline.py", {"Pictures", "Trainer", "Tuner"}),
    ("components/trainer/served_model.py", {"Trainer", "Tuner"}),
    ("components/backbone/bit.py", {"Trainer", "Tuner"}),
    ("components/trainer/warm_start.py", {"Trainer", "Tuner"}),
    ("components/tuner/study.py", {"Tuner"}),
    ("components/tuner/trial.py", {"Tuner"}),
    ("components/transform/preprocessing.py", {"Transform"}),
    ("components/transform/features.py", STEPS - {"DataGate", "StatisticsGen"}),
    ("components/transform/__init__.py", STEPS - {"StatisticsGen"}),
    ("components/example_gen/sources/source.py", {"ImageExampleGen"}),
    ("components/data_gate/checks.py", {"DataGate", "Report"}),
    ("components/data_gate/duplicates.py", {"DataGate"}),
    ("components/data_gate/validation.py", {"DataGate", "Report"}),
    ("components/example_gen/sources/digits.py", {"ImageExampleGen"}),
    ("components/pictures/samples.py", {"Pictures"}),
    ("components/pictures/grid.py", {"Pictures", "Report"}),
    ("components/model_check/inquiry.py", {"ModelCheck"}),
    ("components/pusher/versions.py", {"Evaluator", "Pusher"}),
    ("components/pusher/card.py", {"Pusher"}),
    ("components/pusher/model_card.md.j2", set()),
    (
        "components/digests.py",
        STEPS - {"Pictures", "ImageExampleGen", "Transform", "ModelCheck"},
    ),
    ("components/trainer/curves.py", set()),
    ("components/backbone/hub.py", set()),
    ("components/progress.py", {"ImageExampleGen", "DataGate"}),
    ("components/storage.py", STEPS - {"Transform"}),
    ("components/errors.py", STEPS - {"Transform"}),
    ("components/__init__.py", STEPS),
    ("components/evaluator/gates.py", {"Evaluator", "ModelCheck", "Pusher", "Report"}),
    ("components/evaluator/ranking.py", {"Evaluator", "ModelCheck", "Pusher", "Report"}),
    ("components/evaluator/intervals.py", {"Evaluator", "Report"}),
    ("components/data_gate/coverage.py", {"DataGate"}),
    ("components/report/pictures.py", {"Report"}),
    ("components/report/runs.py", set()),
    ("pipeline/run/view.py", set()),
]
"""Module, and the steps that an edit of it reruns."""

EDIT = """
import json, sys
from pathlib import Path
from pipeline.inputs import code

found = {}
for name in sys.argv[1:]:
    file = Path(name)
    text = file.read_bytes()
    file.write_bytes(text + (b"\\nedit = True\\n" if file.suffix == ".py" else b"\\nAn edit.\\n"))
    code._file_digest.cache_clear()
    found[name] = {**code.step_digests(), "project": code.project_digest()}
    file.write_bytes(text)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def edited(tmp_path_factory):
    """Digests after an edit of each module, of a copy of the project, in one process."""
    project = copy_project(tmp_path_factory.mktemp("project"))
    command = [sys.executable, "-c", EDIT, *(module for module, _ in EDITS)]
    return json.loads(subprocess.check_output(command, cwd=project))


@pytest.mark.parametrize(("module", "steps"), EDITS)
def test_an_edit_reruns_the_steps_that_import_the_module(before, edited, module, steps):
    after = edited[module]
    assert {step for step in STEPS if before[step] != after[step]} == steps
    assert before["project"] != after["project"]


def test_the_digest_is_the_same_wherever_the_project_lies(project, before):
    assert digests(project) == before


def test_imports_inside_functions_count():
    graph = grimp.build_graph("components", cache_dir=None)
    modules = imported_modules(graph, "components.example_gen.sources.source")
    assert "components.example_gen.sources.digits" in modules


GRAPH = grimp.build_graph("components", "pipeline", cache_dir=None)
KEYED = sorted(
    {
        module
        for step in TABLE
        if step.module
        for module in imported_modules(GRAPH, step.module, step.unkeyed)
    }
)


def source(module):
    return code._file(module).read_text()


def reworded(text):
    """The same code with a comment on top and another text in every docstring."""
    lines = text.encode().split(b"\n")
    texts = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]
    for node in sorted(texts, key=lambda node: -node.lineno):
        first, last = node.lineno - 1, node.end_lineno - 1
        before = lines[first][: node.col_offset]
        after = lines[last][node.end_col_offset :]
        lines[first : last + 1] = [before + b'"Said otherwise."' + after]
    return "# A comment.\n" + b"\n".join(lines).decode()


@pytest.fixture(scope="module")
def rewritten(tmp_path_factory):
    """Every module in a key in other words and another layout."""
    folder = tmp_path_factory.mktemp("rewritten")
    for module in KEYED:
        (folder / f"{module}.py").write_text(reworded(source(module)))
    style = ["--config", "line-length=66", "--config", "format.quote-style='single'"]
    ruff = [sys.executable, "-m", "ruff", "format", "--isolated", "--quiet", *style, str(folder)]
    subprocess.run(ruff, check=True)
    return folder


@pytest.mark.parametrize("module", KEYED)
def test_words_and_layout_are_in_no_key(rewritten, module):
    text = (rewritten / f"{module}.py").read_text()
    assert text != source(module)
    assert code_digest(text) == code_digest(source(module))


@pytest.mark.parametrize("module", KEYED)
def test_every_literal_name_and_statement_is_in_the_key(module):
    before = code_digest(source(module))
    assert code_digest(f"{source(module)}\nmore = 1\n") != before
    nodes = list(ast.walk(ast.parse(source(module))))
    alone = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for kind, field in ((ast.Constant, "value"), (ast.Name, "id"), (ast.arg, "arg")):
        tree = ast.parse(source(module))
        found = [
            new
            for old, new in zip(nodes, ast.walk(tree), strict=True)
            if isinstance(new, kind) and id(old) not in alone
        ]
        if found:
            setattr(found[-1], field, "another")
            assert code.tree_digest(tree) != before


def test_no_step_reads_a_docstring():
    """It is in no key."""
    assert not any("__doc__" in source(module) for module in KEYED)
    assert not any("inspect.getdoc" in source(module) for module in KEYED)


def test_the_example_in_the_docstring_runs():
    assert doctest.testmod(code).failed == 0


def test_what_is_in_no_key_of_a_step_is_there_and_imported():
    unkeyed = {module for step in TABLE for module in step.unkeyed}
    for step in TABLE:
        if step.unkeyed:
            unkeyed -= imported_modules(GRAPH, step.module)
    assert unkeyed == set()


def test_another_version_of_a_library_reruns_every_step(monkeypatch):
    before = step_digests()
    monkeypatch.setattr(code, "library_versions", lambda: {"tensorflow": "99"})
    after = step_digests()
    assert all(before[step] != after[step] for step in STEPS)
