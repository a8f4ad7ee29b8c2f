"""The table of docs/how-to/beam.md that says on which engines a whole run was proven.

A test hands over its row once everything is equal. Where the page has another one, the page is
rewritten and the test fails, so that the page is committed with what was found.
"""

import re

from components.process import ROOT

PAGE = ROOT / "docs" / "how-to" / "beam.md"
_TABLE = re.compile(r"(<!-- engines -->\n)(.*?)(\n<!-- /engines -->)", re.DOTALL)


def prove(engine, *cells):
    """Holds the row of an engine in the page to what a test found.

    Raises:
      AssertionError: it was another one; it is written now.
    """
    row = f"| {' | '.join([engine, *cells])} |"
    page = PAGE.read_text(encoding="utf-8")
    found = _TABLE.search(page)
    assert found, f"{PAGE} has no table of engines"
    rows = found[2].splitlines()
    others = [each for each in rows if not each.startswith(f"| {engine} |")]
    written = "\n".join([*others[:2], *sorted([*others[2:], row])])
    if written != found[2]:
        PAGE.write_text(page.replace(found[0], found[1] + written + found[3]), encoding="utf-8")
        raise AssertionError(f"{PAGE} had another row for {engine}; commit it as it is now: {row}")


def of_a_whole_run(ended):
    """The cells on what was compared, and the result, after `tests.beam.comparison.SameFiles`."""
    counts = ended.summary["counts"]
    return (
        f"the whole run on digits, {counts['train']} + {counts['eval']} images: examples, index, "
        f"counts, statistics, transform, {counts['eval']} predictions, metrics, gates",
        "equal; files to the byte",
    )
