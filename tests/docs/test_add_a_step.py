"""docs/tutorial/add-a-step.md, done in a copy of the project and run."""

import collections
import doctest
import importlib.util
import json
import math
import os
import re
import shutil
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from components.process import ROOT
from pipeline.config import load_config
from tests.docs.blocks import blocks

PAGE = ROOT / "docs" / "tutorial" / "add-a-step.md"
IMAGE = "registry.example/bit@sha256:" + "0" * 64


def apply(diff, text):
    """The text after a diff: what it removes and what stands around is there exactly once."""
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] in " -")
    after = "".join(line[1:] for line in lines if line[0] in " +")
    assert text.count(before) == 1, before
    return text.replace(before, after)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with the step of the page."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("components", "pipeline", "kubeflow", "serving"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("local_runner.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for test in ("conftest.py", "pipeline/digits.py", "pipeline/test_steps.py"):
        (folder / "tests" / test).parent.mkdir(exist_ok=True, parents=True)
        shutil.copy(ROOT / "tests" / test, folder / "tests" / test)
    (folder / ".venv-kfp").symlink_to(ROOT / ".venv-kfp")
    for block in blocks(PAGE, "python"):
        path = folder / block.title
        path.parent.mkdir(exist_ok=True)
        path.write_text(block.text)
    for block in blocks(PAGE, "diff"):
        path = folder / block.title
        path.write_text(apply(block.text, path.read_text()))
    return folder


def in_project(project, *command, **environment):
    """What a command says in the copy; it must end with 0."""
    values = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ran = subprocess.run(
        [sys.executable, *command],
        cwd=project,
        env={**values, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_page_has_a_folder_a_row_and_a_line():
    new = {block.title for block in blocks(PAGE, "python")}
    assert {title.rpartition("/")[0] for title in new} == {"components/class_balance"}
    changes = list(blocks(PAGE, "diff"))
    assert [block.title for block in changes] == [
        "pipeline/steps.py",
        "pipeline/pipeline.py",
        "pipeline/pipeline.py",
    ]
    assert all(block.text.count("\n+") + block.text.startswith("+") == 1 for block in changes)
    assert not any(line.startswith("-") for block in changes for line in block.text.splitlines())


def test_the_files_are_as_ours_must_be(project):
    in_project(project, "-m", "ruff", "check", "--no-cache", "components", "pipeline")
    in_project(project, "-m", "ruff", "format", "--no-cache", "--check", "components", "pipeline")
    script = str(ROOT / ".venv" / "bin" / "lint-imports")
    in_project(project, script, "--no-cache", PYTHONPATH=str(project))
    in_project(project, "-m", "mypy", "--cache-dir=/dev/null", "components/class_balance")


def balance_of(project):
    """The module that the page writes."""
    spec = importlib.util.spec_from_file_location(
        "balance", project / "components" / "class_balance" / "balance.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_figures_are_right(project):
    module = balance_of(project)
    assert doctest.testmod(module) == doctest.TestResults(failed=0, attempted=1)
    found = module.balance([3] * 6 + [0] * 2)
    assert (found["images"], found["classes"], found["imbalance"]) == (8, 2, 3.0)
    # 1 / (p^p q^q), which needs no logarithm.
    assert math.isclose(found["effective_classes"], 1 / (0.75**0.75 * 0.25**0.25), rel_tol=1e-8)
    assert module.balance([])["imbalance"] is None


def test_the_page_shows_the_figures_of_the_digits(project, tfds_dir):
    from components.example_gen.sources.source import open_source

    config = load_config("digits", overrides=[f"data.data_dir={tfds_dir}"])
    source = open_source(config.data)
    labels = {split: [] for split in source.slices}
    for shard in source.shards:
        labels[shard.split] += map(int, shard.labels())
    module = balance_of(project)
    (shown,) = blocks(PAGE, "json")
    found = {split: module.balance(labels[split]) for split in sorted(labels)}
    assert shown.text == json.dumps(found, indent=1) + "\n"


def test_the_graph_is_the_one_that_tfx_compiles(project):
    """Also with a search and a warm start: `tests/pipeline/test_steps.py` in the copy."""
    said = in_project(
        project, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "tfxs", "tests"
    )
    assert re.fullmatch(r"5 passed, \d+ deselected.*", said.splitlines()[-1])
    listed = in_project(project, "-c", "from pipeline.steps import STEPS; print(*STEPS)")
    assert "ClassBalance" in listed.split()


def test_an_edit_of_the_step_is_an_edit_of_no_other(project):
    program = "import json, pipeline.inputs.code as code; print(json.dumps(code.step_digests()))"
    before = json.loads(in_project(project, "-c", program))
    path = project / "components" / "class_balance" / "balance.py"
    text = path.read_text()
    try:
        path.write_text(text.replace("math.exp(entropy), 9", "math.exp(entropy), 6"))
        after = json.loads(in_project(project, "-c", program))
    finally:
        path.write_text(text)
    assert {step for step in before if before[step] != after[step]} == {"ClassBalance"}


@pytest.mark.skipif(not (ROOT / ".venv-kfp").exists(), reason="make kubeflow")
def test_the_package_has_a_task_for_it(project, tmp_path):
    package = tmp_path / "digits.yaml"
    arguments = ("--preset", "digits", "--image", IMAGE, "--output", str(package))
    in_project(project, "-m", "pipeline.cli", "kubeflow", "compile", *arguments)
    (spec, _) = YAML(typ="safe").load_all(package.read_text())
    tasks = {}

    def walk(node):
        if isinstance(node, dict):
            tasks.update(node.get("tasks", {}) if isinstance(node.get("tasks"), dict) else {})
            for each in node.values():
                walk(each)

    walk(spec)
    assert "classbalance" in tasks
    assert tasks["classbalance"]["dependentTasks"] == ["imageexamplegen", "prepare"]


@pytest.mark.slow
def test_a_run_has_the_step_and_a_second_run_its_cache(project, tmp_path, tfds_dir):
    from sklearn.datasets import load_digits

    quick = (
        "data.splits.train=train[:20%]",
        "training.schedule={steps: 20, boundaries: [15]}",
        "training.steps_per_epoch=10",
        "evaluation.min_accuracy=0.1",
    )
    overrides = [part for each in quick for part in ("--set", each)]
    command = ("local_runner.py", "--output", str(tmp_path / "out"), *overrides)
    in_project(project, *command, TFDS_DATA_DIR=str(tfds_dir))
    (file,) = (tmp_path / "out" / "artifacts" / "ClassBalance").glob("balance_figures/*/*.json")
    found = json.loads(file.read_text())
    labels = load_digits().target
    counts = collections.Counter(labels.tolist())
    assert found.keys() == {"train", "eval"}
    assert found["train"]["images"] == round(0.2 * len(labels))
    assert found["eval"]["images"] == len(labels) - round(0.85 * len(labels))
    assert all(split["classes"] == len(counts) for split in found.values())
    in_project(project, *command, TFDS_DATA_DIR=str(tfds_dir))
    summary = json.loads((tmp_path / "out" / "run_summary.json").read_text())
    states = {step["id"]: step["state"] for step in summary["steps"]}
    assert states["ClassBalance"] == "cached"
