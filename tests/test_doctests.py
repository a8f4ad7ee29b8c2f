"""The examples in docstrings run, and the rooms below have one in every public module."""

import ast
import doctest
import functools
import importlib
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("components", "pipeline", "kubeflow")

ROOMS = (
    "components.example_gen",
    "components.backbone",
    "components.errors",
    "components.process",
    "components.progress",
    "components.section",
    "components.terminal",
    "components.trainer",
    "pipeline.config",
    "pipeline.inputs",
)
"""Packages and modules in which every public module shows its use."""

PENDING = {
    "components.backbone.handle",
    "components.backbone.hub",
    "components.backbone.kaggle",
    "components.backbone.npz",
    "components.backbone.saved_files",
    "components.example_gen.sources.tfds",
    "components.trainer.history",
}
"""Modules of these rooms that another change is about to give an example."""

SLOW_IMPORTS = {"apache_beam", "ml_metadata", "tensorflow", "tensorflow_transform", "tfx"}
"""What takes seconds to import: modules that need one run in one test, which imports it once."""
KFP_SDK = {"kfp", "kfp_server_api"}
"""Not installed beside TFX."""


@functools.cache
def modules():
    """Dotted name -> syntax tree of every module."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts).removesuffix(".__init__")
            found[name] = ast.parse(path.read_bytes())
    return found


def is_public(name):
    """Whether a module has something to show: a public name of its own, in no private package."""
    if any(part.startswith("_") for part in name.split(".")):
        return False
    definitions = (ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    return any(isinstance(node, definitions) for node in modules()[name].body)


def has_example(name):
    """Whether the module's own docstring has one; a command shows its command line instead."""
    shown = f"python -m {name}" if name in commands() else ">>>"
    return shown in (ast.get_docstring(modules()[name]) or "")


def commands():
    """The modules that are run by `python -m`."""
    return [name for name, tree in modules().items() if any(map(_is_main, tree.body))]


def _is_main(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def has_doctest(name):
    """Whether any docstring of the module has one."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    nodes = [node for node in ast.walk(modules()[name]) if isinstance(node, documented)]
    return any(">>>" in (ast.get_docstring(node) or "") for node in nodes)


@functools.cache
def imported(name):
    """Our modules and the other packages that importing a module imports, directly or not."""
    found, pending = set(), [name]
    while pending:
        module = pending.pop()
        if module in found:
            continue
        found.add(module)
        if module in modules():
            pending += direct_imports(modules()[module])
            pending += [module.rpartition(".")[0]] if "." in module else []
    return found


def direct_imports(tree):
    """What a module imports at its top level, and not for type checking alone."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (_ours(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield _ours(node.module)
            yield from (
                f"{node.module}.{alias.name}"
                for alias in node.names
                if f"{node.module}.{alias.name}" in modules()
            )


def _ours(name):
    return name if name.partition(".")[0] in PACKAGES else name.partition(".")[0]


def with_doctests(slow):
    """The modules with doctests that take seconds to import, or the others."""
    names = [name for name in modules() if has_doctest(name)]
    return [name for name in names if bool(needs(name) & SLOW_IMPORTS) == slow]


def needs(name):
    """What the module and its examples import."""
    examples = doctest.DocTestParser().get_examples(ast.get_docstring(modules()[name]) or "")
    lines = ast.parse("".join(example.source for example in examples))
    return set.union(imported(name), *(imported(each) for each in direct_imports(lines)))


def run(name, capsys=None):
    """Runs the module's doctests; returns what failed, as text."""
    if needs(name) & KFP_SDK and not all(find_spec(each) for each in KFP_SDK):
        return ""
    lines = []
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        runner.run(test, out=lines.append)
    return "".join(lines)


@pytest.mark.parametrize("name", with_doctests(slow=False))
def test_the_examples_of_a_module_run(name):
    assert run(name) == ""


def test_the_examples_of_modules_that_take_seconds_to_import_run():
    failures = [failure for name in with_doctests(slow=True) if (failure := run(name))]
    assert not failures, "\n".join(failures)


def test_every_public_module_of_a_room_has_an_example():
    names = [
        name for name in modules() for room in ROOMS if name == room or name.startswith(f"{room}.")
    ]
    assert len(names) > len(ROOMS)
    lacking = [name for name in names if is_public(name) and not has_example(name)]
    assert sorted(set(lacking) - PENDING) == []


@pytest.mark.parametrize("name", [name for name in commands() if name.startswith(ROOMS)])
def test_the_command_line_of_a_command_runs(name):
    ended = subprocess.run(
        [sys.executable, "-m", name, "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert ended.returncode == 0
    assert ended.stdout


def test_a_wrong_example_fails(tmp_path, monkeypatch):
    (tmp_path / "wrong_example.py").write_text('"""\n    >>> 1 + 1\n    3\n"""\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(modules(), "wrong_example", ast.parse('"""\n    >>> 1 + 1\n"""\n'))
    assert "Expected:\n    3\nGot:\n    2" in run("wrong_example")
