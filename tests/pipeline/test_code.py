"""Which edit reruns which step, told from digests of a copy of the project."""

import json
import shutil
import subprocess
import sys

import grimp
import pytest

from pipeline.code import ROOT, imported_modules
from pipeline.steps import TABLE

ENTRY_MODULES = {step.id: step.module for step in TABLE if step.module}
STEPS = set(ENTRY_MODULES)


@pytest.fixture
def project(tmp_path):
    for folder in ("components", "pipeline"):
        ignored = shutil.ignore_patterns("__pycache__", "bit-mini")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    return tmp_path


def digests(project):
    code = (
        "import json; from pipeline.code import *;"
        "print(json.dumps({**step_digests(), 'project': project_digest()}))"
    )
    return json.loads(subprocess.check_output([sys.executable, "-c", code], cwd=project))


@pytest.mark.parametrize(
    ("module", "steps"),
    [
        ("components/trainer/schedule.py", {"Trainer", "Tuner"}),
        ("components/trainer/input_pipeline.py", {"Pictures", "Trainer", "Tuner"}),
        ("components/trainer/signatures.py", {"Trainer", "Tuner"}),
        ("components/trainer/bit.py", {"Trainer", "Tuner"}),
        ("components/trainer/warm_start.py", {"Trainer", "Tuner"}),
        ("components/tuner/study.py", {"Tuner"}),
        ("components/tuner/trial.py", {"Tuner"}),
        ("components/transform/preprocessing.py", {"Transform"}),
        ("components/transform/features.py", STEPS - {"DataGate"}),
        ("components/transform/__init__.py", STEPS),
        ("components/example_gen/source.py", {"TfdsExampleGen"}),
        ("components/data_gate/checks.py", {"DataGate", "Report"}),
        ("components/data_gate/duplicates.py", {"DataGate"}),
        ("components/data_gate/validation.py", {"DataGate", "Report"}),
        ("components/example_gen/digits.py", {"TfdsExampleGen"}),
        ("components/pictures/samples.py", {"Pictures"}),
        ("components/pictures/grid.py", {"Pictures", "Report"}),
        ("components/pusher/versions.py", {"Evaluator", "Pusher"}),
        ("components/pusher/card.py", {"Pusher"}),
        ("components/pusher/model_card.md.j2", set()),
        ("components/digests.py", STEPS - {"Pictures", "TfdsExampleGen", "Transform"}),
        ("components/storage.py", STEPS - {"Transform"}),
        ("components/errors.py", STEPS - {"Transform"}),
        ("components/__init__.py", STEPS),
        ("components/evaluator/gates.py", {"Evaluator", "Pusher", "Report"}),
        ("components/evaluator/ranking.py", {"Evaluator", "Pusher", "Report"}),
        ("components/evaluator/intervals.py", {"Evaluator", "Report"}),
        ("components/data_gate/coverage.py", {"DataGate"}),
        ("components/report/pictures.py", {"Report"}),
        ("components/report/runs.py", set()),
        ("pipeline/local/view.py", set()),
    ],
)
def test_an_edit_reruns_the_steps_that_import_the_module(project, module, steps):
    before = digests(project)
    with (project / module).open("a") as stream:
        stream.write("\n# An edit.\n")
    after = digests(project)
    assert {step for step in STEPS if before[step] != after[step]} == steps
    assert before["project"] != after["project"]


def test_the_digest_is_the_same_wherever_the_project_lies(project, tmp_path_factory):
    other = tmp_path_factory.mktemp("elsewhere") / "project"
    shutil.copytree(project, other)
    assert digests(project) == digests(other)


def test_imports_inside_functions_count():
    graph = grimp.build_graph("components", cache_dir=None)
    modules = imported_modules(graph, "components.example_gen.source")
    assert "components.example_gen.digits" in modules


def test_another_version_of_a_library_reruns_every_step(monkeypatch):
    from pipeline import code

    before = code.step_digests()
    monkeypatch.setattr(code, "library_versions", lambda: {"tensorflow": "99"})
    after = code.step_digests()
    assert all(before[step] != after[step] for step in STEPS)
