"""The tables of `benchmarks.engines` in the pages, from the last measurement that is committed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.engine_tables import bill_tables, conditions_of, every_table, started_table
from components.process import ROOT

MEASURED = ROOT / "benchmarks" / "engines.json"
_BLOCK = re.compile(r"(<!-- scale -->\n)(.*?)(\n<!-- /scale -->)", re.DOTALL)


def _bill(runs: list[Any]) -> str:
    return "\n\n".join([conditions_of(runs), started_table(runs), bill_tables(runs)])


PAGES: Mapping[Path, Callable[[list[Any]], str]] = {
    ROOT / "benchmarks" / "README.md": every_table,
    ROOT / "docs" / "how-to" / "beam.md": _bill,
}


def with_figures(path: Path) -> str:
    """A page with the tables as they follow from the measurement."""
    text = path.read_text(encoding="utf-8")
    found = _BLOCK.search(text)
    if not found:
        raise ValueError(f"{path} has no block <!-- scale -->")
    tables = "Not measured yet."
    if MEASURED.is_file():
        tables = PAGES[path](json.loads(MEASURED.read_text(encoding="utf-8"))["runs"])
    return text.replace(found[0], f"{found[1]}\n{tables}\n{found[3]}")
