"""Every public module shows its use in its docstring, and what it shows is right."""

import ast
import doctest
import functools
import importlib
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from kubeflow.cli import command as kubeflow
from kubeflow.sdk import PYTHON as KFP_PYTHON
from pipeline.cli.main import VERBS
from pipeline.cli.main import command as bit_tfx

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("components", "pipeline", "kubeflow", "serving")

NEED_A_RUN = {
    "components.data_gate.executor",
    "components.evaluator.executor",
    "components.evaluator.measure",
    "components.examples",
    "components.export.convert",
    "components.export.probe",
    "components.export.runtimes",
    "components.export.served",
    "components.lineage.adopt",
    "components.model_check.executor",
    "components.model_check.inquiry",
    "components.pictures.executor",
    "components.pusher.executor",
    "components.report.executor",
    "components.trainer.served_model",
    "components.scoring.model",
    "components.scoring.run",
    "components.statistics_gen.executor",
    "components.tuner.trial",
    "kubeflow.client.dex",
    "kubeflow.client.uploads",
    "kubeflow.launch",
    "kubeflow.sdk",
    "kubeflow.submit",
    "pipeline.card",
    "pipeline.nodes",
    "pipeline.pipeline",
    "pipeline.run.compile",
    "pipeline.run.conclude",
    "pipeline.run.dag_runner",
    "pipeline.run.export",
    "pipeline.run.export_evidence",
    "pipeline.run.launcher",
    "pipeline.run.local",
    "pipeline.run.moved",
    "pipeline.run.node",
    "pipeline.run.outlook",
    "pipeline.run.probe",
    "pipeline.run.score",
    "pipeline.run.serving",
    "pipeline.run.step_logs",
    "pipeline.run.verify",
    "pipeline.run.worker",
    "serving.admission",
    "serving.client",
    "serving.environment",
    "serving.gate",
    "serving.model",
    "serving.server",
    "serving.version",
    "serving.warm_up",
}
"""Modules that only work in a run, on a cluster or with a server: they show a block of code."""

SLOW_IMPORTS = {"apache_beam", "ml_metadata", "tensorflow", "tensorflow_transform", "tfx"}
"""What takes seconds to import: modules that need one run in one test, which imports it once."""
KFP_SDK = {"kfp", "kfp_server_api"}
"""Not installed beside TFX: modules that need it run in `.venv-kfp`, where there is no pytest."""
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


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
    """Whether the module's own docstring has the kind of example that fits the module."""
    if name in NEED_A_RUN:
        return bool(block_of(name))
    if name in verbs():
        return bool(command_lines(name))
    shown = f"python -m {name}" if name in commands() else ">>>"
    return shown in docstring(name)


def docstring(name):
    """The module's own docstring, "" for none."""
    return ast.get_docstring(modules()[name]) or ""


def commands():
    """The modules that are run by `python -m`, but for those whose request is on a pipe."""
    mains = [name for name, tree in modules().items() if any(map(_is_main, tree.body))]
    return [name for name in mains if name not in NEED_A_RUN]


def _is_main(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def verbs():
    """The modules of the verbs of `bit-tfx`."""
    return [*(f"pipeline.cli.{verb}" for verb in VERBS), "kubeflow.cli", "serving.cli"]


def command_lines(name):
    """The words of each indented line of the docstring that begins with `bit-tfx`."""
    lines = [line for line in docstring(name).splitlines() if line.startswith("    bit-tfx ")]
    return [shlex.split(line)[1:] for line in lines]


def block_of(name):
    """The indented code of the module's docstring, "" for none."""
    lines = docstring(name).splitlines()
    return "\n".join(line[4:] for line in lines if line.startswith("    ") or not line).strip()


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
    """The modules with doctests that take seconds to import, or the others; none of the KFP SDK."""
    names = [name for name in modules() if has_doctest(name) and not needs(name) & KFP_SDK]
    return [name for name in names if bool(needs(name) & SLOW_IMPORTS) == slow]


def needs(name):
    """What the module and its examples import."""
    examples = doctest.DocTestParser().get_examples(ast.get_docstring(modules()[name]) or "")
    lines = ast.parse("".join(example.source for example in examples))
    return set.union(imported(name), *(imported(each) for each in direct_imports(lines)))


def run(name, capsys=None):
    """Runs the module's doctests; returns what failed, as text."""
    lines = []
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        runner.run(test, out=lines.append)
    return "".join(lines)


@pytest.mark.parametrize("name", with_doctests(slow=False))
def test_the_examples_of_a_module_run(name):
    assert run(name) == ""


def test_the_examples_of_modules_that_take_seconds_to_import_run():
    failures = [failure for name in with_doctests(slow=True) if (failure := run(name))]
    assert not failures, "\n".join(failures)


@pytest.mark.skipif(not KFP_PYTHON.exists(), reason="needs .venv-kfp: make kubeflow")
def test_the_examples_that_need_the_kfp_sdk_run():
    names = [name for name in modules() if has_doctest(name) and needs(name) & KFP_SDK]
    code = f"""
import doctest, importlib, sys
for name in sys.argv[1:]:
    tried = doctest.testmod(importlib.import_module(name), optionflags={FLAGS})
    assert tried.attempted and not tried.failed, name
"""
    ended = subprocess.run(
        [KFP_PYTHON, "-c", code, *names], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "kubeflow.package" in names


def test_every_public_module_has_an_example():
    lacking = [name for name in modules() if is_public(name) and not has_example(name)]
    assert lacking == []
    assert set(modules()) >= NEED_A_RUN


@pytest.mark.parametrize("name", sorted(NEED_A_RUN))
def test_the_code_that_a_module_shows_compiles_and_calls_what_is_there(name):
    assert mistakes_in(block_of(name), name) == []


def mistakes_in(code, shown):
    """What is wrong with a block of code that is to show the use of a module of ours."""
    tree = compile(code, shown, "exec", ast.PyCF_ONLY_AST)
    sources = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] in PACKAGES
        for alias in node.names
    }
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    found = [f"{name} is imported and not used" for name in sources if name not in used]
    named = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    named |= {*sources.values(), *(f"{module}.{name}" for name, module in sources.items())}
    if shown not in named:
        found.append(f"{shown} is neither imported nor named")
    for name, module in sources.items():
        if f"{module}.{name}" not in modules() and name not in definitions(module):
            found.append(f"{module} has no {name}")
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        function = _called(call.func, sources)
        if isinstance(function, ast.FunctionDef):
            found += _mistakes_of(call, function.args)
    return found


def definitions(module):
    """What a module defines at its top level, by name."""
    found = {}
    for node in modules()[module].body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id: node for target in targets if isinstance(target, ast.Name)}
    return found


def _called(function, sources):
    """The definition that a call names, `f` or `module.f`; None where it is not ours."""
    if isinstance(function, ast.Name) and function.id in sources:
        return definitions(sources[function.id]).get(function.id)
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        module = f"{sources.get(function.value.id)}.{function.value.id}"
        if module in modules():
            return definitions(module).get(function.attr, ast.parse("def missing(): 0").body[0])
    return None


def _mistakes_of(call, parameters):
    """How the arguments of a call differ from what the function takes."""
    names = [each.arg for each in (*parameters.posonlyargs, *parameters.args)]
    keywords = {keyword.arg for keyword in call.keywords} - {None}
    given = {*names[: len(call.args)], *keywords}
    required = names[: len(names) - len(parameters.defaults)]
    required += [
        each.arg
        for each, default in zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True)
        if default is None
    ]
    known = {*names, *(each.arg for each in parameters.kwonlyargs)}
    line = ast.unparse(call)
    if len(call.args) > len(names) and not parameters.vararg:
        yield f"{line}: too many arguments"
    yield from (f"{line}: no parameter {name}" for name in keywords - known if not parameters.kwarg)
    yield from (f"{line}: {name} is not given" for name in required if name not in given)


def test_wrong_code_is_found():
    shown = "pipeline.run.last"
    right = "from pipeline.run.last import last_output\nlast_output(runs=folder)"
    assert mistakes_in(right, shown) == []
    assert mistakes_in(right.replace("last_output", "next_output"), shown)
    assert mistakes_in(right.replace("runs=", "walks="), shown)
    assert mistakes_in(right, "pipeline.run.layout")
    with pytest.raises(SyntaxError):
        mistakes_in("last_output(", shown)


@pytest.mark.parametrize("name", verbs())
def test_the_command_line_that_a_verb_shows_is_one(name):
    for words in command_lines(name):
        # In a checkout that `make setup` has not seen, `bit-tfx` has no `kubeflow`.
        group, rest = (kubeflow, words[1:]) if words[0] == "kubeflow" else (bit_tfx, words)
        verb, command, rest = group.resolve_command(click.Context(group), rest)
        with command.make_context(verb, rest) as context:
            assert not context.args


@pytest.mark.parametrize("name", commands())
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
