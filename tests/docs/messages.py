"""docs/reference/messages.md: every message of ours, read from the syntax trees of the code."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.process import ROOT

PAGE = ROOT / "docs" / "reference" / "messages.md"

_HEAD = """\
# Messages

<!-- Written by `.venv/bin/python -m tests.docs.generate` from the code. -->

Every message says what is wrong, where, and what to type; this page lists them all, to be found by
a search for any of their words. `<word>` stands for what a message fills in. After each of them a
command ends with [exit code 2](exit-codes.md), unless its section says otherwise.
"""


@dataclass(frozen=True)
class Area:
    """A section of the page.

    Attributes:
      title: its heading.
      cure: what helps with all of its messages.
      code: beginnings of the paths of the modules whose messages it has.
    """

    title: str
    cure: str
    code: tuple[str, ...]


AREAS = (
    Area(
        "Configuration",
        "Correct the key that the message names, in the file or after `--set`. All mistakes of a "
        "file are listed at once, as `The configuration (<file> with its --set) is not valid:` and "
        "a line `<key>: <message>` each. [configuration.md](configuration.md) has every key.",
        (
            "pipeline/config",
            "components/evaluator/config",
            "components/example_gen/config",
            "components/trainer/config",
            "components/transform/config",
            "components/tuner/config",
        ),
    ),
    Area(
        "Data",
        "Correct `data` in the configuration, or the files that are named. `bit-tfx check` reads "
        "the data and trains nothing. [data.md](../how-to/data.md) says what is accepted.",
        ("components/example_gen", "pipeline/inputs"),
    ),
    Area(
        "The data gate",
        "Correct the data, or change the limit below `data_gate` that the message names. Its "
        "messages are the sentences of the checks that refused; "
        "[data.md](../how-to/data.md#the-data-gate) has the checks.",
        ("components/data_gate",),
    ),
    Area(
        "Backbone",
        "Give a different `backbone.handle`, or the files that it names: "
        "[backbones.md](../how-to/backbones.md).",
        ("components/backbone",),
    ),
    Area(
        "Training and search",
        "Change the key that is named, or the machine: [training.md](../how-to/training.md), "
        "[search.md](../how-to/search.md).",
        ("components/trainer", "components/tuner"),
    ),
    Area(
        "Evaluation and the model that serves",
        "[evaluation.md](../how-to/evaluation.md) has the gates and the rules for the baseline.",
        ("components/evaluator", "components/lineage", "components/pusher", "components/report"),
    ),
    Area(
        "Export",
        "[export.md](../how-to/export.md) has the formats, what judges a conversion, and what a "
        "model outside its output folder needs.",
        ("components/export", "pipeline/run/export"),
    ),
    Area(
        "Scoring",
        "Correct the option that is named. Nothing is lost: what is done is in the parts beside "
        "the output. [scoring.md](../how-to/scoring.md) says what each option takes.",
        ("components/scoring", "pipeline/run/score", "pipeline/cli/score"),
    ),
    Area(
        "Output, disk and metadata database",
        "Nothing has trained yet. Give another `--output`, free the place or the database that is "
        "named, and run again: what is done is cached.",
        ("pipeline", "components"),
    ),
    Area(
        "The server",
        "Nothing is served yet; [serving.md](../how-to/serving.md#serve) says what "
        "`bit-tfx serve` takes.",
        ("serving",),
    ),
    Area(
        "Kubeflow",
        "[kubeflow.md](../how-to/kubeflow.md) has the way from an empty cluster, and every way to "
        "reach a server. While it waits for a run, `bit-tfx kubeflow submit` ends with 1 if a "
        "message says that the run goes on.",
        ("kubeflow",),
    ),
)

_CONFIGURATION = AREAS[0]


def area_of(module: str) -> Area:
    """The section of a module, by the longest beginning of its path."""
    matches = [
        (len(prefix), area) for area in AREAS for prefix in area.code if module.startswith(prefix)
    ]
    return max(matches, key=lambda match: match[0])[1]


def messages_of(path: Path) -> Iterator[str]:
    """The messages of a module, with `<word>` for what is filled in."""
    module = str(path.relative_to(ROOT))
    tree = ast.parse(path.read_text(encoding="utf-8"))
    errors = {"UserError"}
    if area_of(module) is _CONFIGURATION:
        errors.add("ValueError")  # What pydantic turns into a line of the configuration's message.
    for function in ast.walk(tree):
        if not isinstance(function, (ast.FunctionDef, ast.Module)):
            continue
        known = _assigned(function)
        for node in _own(function):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") not in errors:
                continue
            # One that only passes on the text of another error is no message of its own.
            text = _text(node.args[0], known) if node.args else None
            if text and re.search(r"[a-z]{3}", re.sub("<.*?>", "", text)):
                yield _tidy(text)


def _own(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function or module without those of functions in it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.FunctionDef):
            yield child
            yield from _own(child)


def _assigned(function: ast.AST) -> dict[str, ast.expr]:
    return {
        node.targets[0].id: node.value
        for node in _own(function)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def _text(node: ast.expr, known: dict[str, ast.expr]) -> str | None:
    """The text of an expression; None where it is no text that can be seen."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(_part(value) for value in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = [_text(side, known) or _word(side) for side in (node.left, node.right)]
        return "".join(parts)
    if isinstance(node, ast.IfExp):
        return _text(node.body, known) or _text(node.orelse, known)
    if isinstance(node, ast.Name) and node.id in known:
        return _text(known[node.id], {})
    return None


def _part(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    assert isinstance(node, ast.FormattedValue)
    return _word(node.value)


def _word(node: ast.expr) -> str:
    """What is filled in, by the name that the code has for it."""
    if isinstance(node, ast.Call):
        return _called(node)
    if isinstance(node, ast.Subscript):
        return _word(node.value)
    if isinstance(node, (ast.GeneratorExp, ast.ListComp)):
        return _word(node.generators[0].iter)
    name = getattr(node, "attr", None) or getattr(node, "id", "self")
    return "<...>" if name == "self" else f"<{_plain(name)}>"


def _called(node: ast.Call) -> str:
    """What a call gives, by what it is given (`len(names)`) or by its own name."""
    function = node.func
    if isinstance(function, ast.Attribute):
        joins = isinstance(function.value, ast.Constant)
        if node.args and (joins or getattr(function.value, "id", "") in _LIBRARIES):
            return _word(node.args[0])
        return _word(
            function if getattr(function.value, "id", "") in _LIBRARIES else function.value
        )
    if getattr(function, "id", "") in ("len", "map", "repr", "sorted", "str") and node.args:
        return _word(node.args[-1])
    return _word(function)


_LIBRARIES = ("math", "np", "os", "shlex")


def _plain(name: str) -> str:
    return name.strip("_").replace("_", " ").lower()


def _tidy(text: str) -> str:
    return " ".join(text.split())


def written() -> str:
    """The page."""
    found: dict[str, set[str]] = defaultdict(set)
    for folder in ("components", "kubeflow", "pipeline", "serving"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            module = str(path.relative_to(ROOT))
            found[area_of(module).title].update(messages_of(path))
    parts = [_HEAD]
    for area in AREAS:
        rows = sorted(found[area.title], key=lambda text: re.sub(r"\W", "", text).lower())
        parts.append(
            "\n\n".join(
                [f"## {area.title}", area.cure, *(["\n".join(map(_row, rows))] if rows else [])]
            )
        )
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _row(text: str) -> str:
    quotes = "``" if "`" in text else "`"
    space = " " if "`" in text else ""
    return f"- {quotes}{space}{text}{space}{quotes}"
