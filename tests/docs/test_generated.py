"""The pages that are written from the code are what the code says."""

import ast
import re

import pytest

from components.process import ROOT
from tests.docs import formats, messages, scale

MEND = "type: .venv/bin/python -m tests.docs.generate"


def test_the_messages_are_up_to_date():
    assert messages.PAGE.read_text(encoding="utf-8") == messages.written(), MEND


def test_every_message_is_on_the_page():
    """Counted in another way: the words before the first thing that is filled in."""
    page = messages.PAGE.read_text(encoding="utf-8")
    missing = []
    for folder in ("components", "kubeflow", "pipeline", "serving"):
        for path in (ROOT / folder).rglob("*.py"):
            # Not the examples of docstrings.
            raised = r'(?<!>>> )raise UserError\(\s*f?"([^"{]{12,})'
            for text in re.findall(raised, path.read_text("utf-8")):
                if ast.literal_eval(f'"{text}"').strip() not in page:
                    missing.append((str(path), text))
    assert missing == []


def test_no_message_is_shown_as_the_code_has_it():
    page = messages.PAGE.read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("- ")]
    assert len(rows) > 150
    assert not [row for row in rows if re.search(r"\{\w+[}!.(\[]|\\[dswn]|\(\?|%s", row)]


@pytest.mark.parametrize(
    "module", ["components/new_room/x.py", "pipeline/new/x.py", "kubeflow/x.py", "serving/x.py"]
)
def test_a_new_room_has_a_section(module):
    assert messages.area_of(module) in messages.AREAS


@pytest.mark.parametrize("name", formats.TYPES)
def test_the_schema_is_up_to_date(name):
    path = formats.FOLDER / f"{name}.schema.json"
    assert path.read_text(encoding="utf-8") == formats.schema_text(name), MEND


def test_the_columns_are_up_to_date():
    page = formats.PAGE.read_text(encoding="utf-8")
    assert formats.with_tables(page) == page, MEND
    for name, table in formats.tables().items():
        assert f"<!-- {name} -->\n\n{table}" in page


@pytest.mark.parametrize("path", scale.PAGES, ids=lambda path: path.name)
def test_the_figures_are_those_of_the_committed_measurement(path):
    assert path.read_text(encoding="utf-8") == scale.with_figures(path), MEND
