"""Digests of the code that a step runs: part of its cache key.

TFX's cache sees a step's inputs and properties. The name of a function is such a property, and its
body is not: without a digest, an edit would go unnoticed and yesterday's artifact be used.
"""

from __future__ import annotations

import functools
import hashlib
import json
import platform
from collections.abc import Iterable
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
    return {step.id: _digest(imported_modules(graph, step.module)) for step in TABLE if step.module}


def project_digest() -> str:
    """Digest of all our code and the libraries: equal digests mean equal runs."""
    return _digest(_import_graph().modules, _PAGES)


def imported_modules(graph: Any, entry: str) -> set[str]:
    """The modules of ours that importing `entry` can run.

    Args:
      graph: grimp's import graph of our packages.
      entry: dotted name.
    """
    pending, seen = [entry], set[str]()
    while pending:
        module = pending.pop()
        if module in seen:
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
    sources = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}
    known = {"modules": sources, "libraries": library_versions()}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def _file(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
