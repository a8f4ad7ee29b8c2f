"""The fenced blocks of a Markdown page."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.process import ROOT

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)(?: title=\"(?P<title>[^\"]*)\")?\n"
    r"(?P<text>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """One block.

    Attributes:
      page: path of its page from the project's folder.
      line: of the page where it begins.
      language: as the fence has it; empty where it has none.
      title: of the fence; empty where it has none.
      text: what is in it, without the page's indentation.
    """

    page: str
    line: int
    language: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """README and the like, and every page below docs/."""
    named = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "benchmarks/README.md")
    return [*(ROOT / name for name in named), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, *languages: str) -> Iterator[Block]:
    """The blocks of a page, of these languages where any are given."""
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        if not languages or match["language"] in languages:
            line = text.count("\n", 0, match.start()) + 1
            found = textwrap.dedent(match["text"])
            name = str(page.relative_to(ROOT))
            yield Block(name, line, match["language"], match["title"] or "", found)


def all_blocks(*languages: str) -> list[Block]:
    """The blocks of all pages."""
    return [block for page in pages() for block in blocks(page, *languages)]


def prose(page: Path) -> str:
    """A page without its blocks, line for line."""
    text = page.read_text(encoding="utf-8")
    return _FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)
