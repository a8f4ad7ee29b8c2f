"""Digests of the code that a step runs: part of its cache key.

TFX's cache key has a step's inputs and properties. The name of a function is such a property, but
its body is not: without a digest, an edit would go unnoticed, and an old artifact would be reused.

The digest depends on the code and not on its text:

    >>> before = code_digest("def f(x): return 2 * x  # Doubles.")
    >>> before == code_digest("def f( x ):  'Twice x.'; return (2 * x)")
    True
    >>> before == code_digest("def f(x): return 3 * x")
    False
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import platform
from collections.abc import Collection, Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from components.process import ROOT
from pipeline.steps import TABLE

PACKAGES = ("components", "pipeline")

LIBRARIES = (
    "apache-beam",
    "imagehash",
    "numpy",
    "optuna",
    "pillow",
    "pyarrow",
    "tensorflow",
    "tensorflow-data-validation",
    "tensorflow-datasets",
    "tensorflow-hub",
    "tensorflow-model-analysis",
    "tensorflow-transform",
    "tf-keras",
    "tfx",
    "vl-convert-python",
)
"""Libraries whose version can change what a step writes."""


_PAGES = tuple(f"components/*/*.{kind}" for kind in ("css", "html", "j2", "js"))


def step_digests() -> dict[str, str]:
    """Digest of each step's code: the modules it imports, directly or not, and the libraries."""
    graph = _import_graph()
    return {
        step.id: _digest(imported_modules(graph, step.module, step.unkeyed))
        for step in TABLE
        if step.module
    }


def beam_modules() -> dict[str, str]:
    """Digest of each module that the Beam steps run, which workers must have alike, by its name."""
    graph = _import_graph()
    entries = [step.module for step in TABLE if step.beam and step.module]
    modules = set[str]().union(*(imported_modules(graph, entry) for entry in entries))
    return {module: _file_digest(_file(module)) for module in sorted(modules)}


def project_digest() -> str:
    """Digest of all our code and the libraries: with equal digests, runs behave equally."""
    return _digest(_import_graph().modules, _PAGES)


def imported_modules(graph: Any, entry: str, but: Collection[str] = ()) -> set[str]:
    """Our modules that importing `entry` can run.

    Args:
      graph: grimp's import graph of our packages.
      entry: dotted name.
      but: modules to leave out, with everything that only they import.
    """
    pending, seen = [entry], set[str]()
    while pending:
        module = pending.pop()
        if module in seen or module in but:
            continue
        seen.add(module)
        pending += graph.find_modules_directly_imported_by(module)
        # Importing a.b.c runs a and a.b first.
        if "." in module:
            pending.append(module.rpartition(".")[0])
    return seen


def library_versions() -> dict[str, str]:
    """Installed versions of `LIBRARIES`, and Python's."""
    versions = {name: metadata.version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **versions}


@functools.cache
def _import_graph() -> Any:
    import grimp

    return grimp.build_graph(*PACKAGES, cache_dir=None)


def _digest(modules: Iterable[str], patterns: Iterable[str] = ()) -> str:
    files = {module: _file(module) for module in modules}
    files |= {str(f.relative_to(ROOT)): f for pattern in patterns for f in ROOT.glob(pattern)}
    sources = {name: _file_digest(file) for name, file in files.items()}
    known = {"modules": sources, "libraries": library_versions()}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def code_digest(source: str | bytes) -> str:
    """SHA-256 of a module's syntax tree, without comments, layout and docstrings."""
    return tree_digest(ast.parse(source))


def tree_digest(tree: ast.Module) -> str:
    """The same for a syntax tree, whose docstrings are removed."""
    _drop_texts(tree)
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _drop_texts(node: ast.AST) -> None:
    """Removes docstrings, including those of attributes."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        statements = getattr(node, field, None)
        if isinstance(statements, list):
            statements[:] = [each for each in statements if not _is_text(each)]
            for each in statements:
                _drop_texts(each)


def _is_text(node: ast.AST) -> bool:
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


@functools.cache
def _file_digest(file: Path) -> str:
    content = file.read_bytes()
    return code_digest(content) if file.suffix == ".py" else hashlib.sha256(content).hexdigest()


def _file(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
