"""Writes what the documents take from code and measurements: configuration, formats, figures.

.venv/bin/python -m tests.docs.generate
"""

from __future__ import annotations

from components.process import ROOT
from pipeline.config import reference
from tests.docs import formats, messages, scale


def main() -> None:
    """Writes every page and schema that `tests/docs` checks."""
    configuration = ROOT / "docs" / "reference" / "configuration.md"
    configuration.write_text(reference.render(), encoding="utf-8")
    messages.PAGE.write_text(messages.written(), encoding="utf-8")
    formats.FOLDER.mkdir(exist_ok=True)
    for name in formats.TYPES:
        path = formats.FOLDER / f"{name}.schema.json"
        path.write_text(formats.schema_text(name), encoding="utf-8")
    page = formats.PAGE.read_text(encoding="utf-8")
    formats.PAGE.write_text(formats.with_tables(page), encoding="utf-8")
    for path in scale.PAGES:
        path.write_text(scale.with_figures(path), encoding="utf-8")


if __name__ == "__main__":
    main()
