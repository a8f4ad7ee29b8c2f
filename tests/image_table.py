"""The table of docs/reference/images.md: what becomes of each kind of image of the corpus.

python -m tests.image_table    # writes it
"""

from __future__ import annotations

import functools
from collections import defaultdict
from pathlib import Path

from components.example_gen.config import ScreenConfig
from components.example_gen.screen.acceptance import Accepted, screen
from tests import corpus

BEGIN, END = "<!-- corpus -->\n", "<!-- /corpus -->\n"
_DOCS = Path("docs/reference/images.md")
_ALL = ScreenConfig(convert=("bmp", "cmyk", "gif", "tiff", "webp"))


def verdict(case: corpus.Case) -> str:
    """`right`, `convert: <kind>`, or `refused: <reason>`, by default and with every conversion."""
    return _verdict(case.encoded)


@functools.cache
def _verdict(encoded: bytes) -> str:
    if isinstance(screen(encoded, ScreenConfig()), Accepted):
        return "right"
    found = screen(encoded, _ALL)
    if isinstance(found, Accepted):
        return f"`convert: {found.format}`"
    return f"refused: {found.reason.value}, {found.detail}"


def written() -> str:
    """The block of the docs."""
    rows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for case in corpus.cases():
        rows[case.format, verdict(case)].append(case.says)
    lines = [f"| {form} | {'; '.join(says)} | {what} |" for (form, what), says in rows.items()]
    return "\n".join([BEGIN.rstrip(), "| format | property | |", "|---|---|---|", *lines, ""])


if __name__ == "__main__":
    text = _DOCS.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    _DOCS.write_text(before + written() + after, encoding="utf-8")
