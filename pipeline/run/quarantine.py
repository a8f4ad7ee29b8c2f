"""What the last run set aside: a table by split and reason, and the bytes as files.

>>> import tempfile
>>> from pipeline.run.claim import write_failed_summary
>>> with tempfile.TemporaryDirectory() as output:
...     write_failed_summary(Path(output), "the disk is full")
...     find_quarantine(output)
(None, 'the disk is full')
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

from rich.table import Table
from rich.text import Text

from components.errors import UserError
from components.example_gen.screen.quarantine import Reject, quarantined_splits, read_quarantine
from components.example_gen.sources.image_files import display
from components.storage import io_errors
from pipeline.run.layout import Layout

_SHOWN = 3
"""Sources that are named for each reason."""


def find_quarantine(output: str) -> tuple[str | None, str]:
    """Where the last run's rejects are, None where it has none; why it read nothing, else empty.

    Raises:
      UserError: no run left its summary there.
    """
    layout = Layout(output)
    path = layout.summary
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        uri, read = summary["quarantine"], summary["counts"]["read"]
        reasons = "" if read else "; ".join(summary["reasons"]) or "it did not come so far"
    except io_errors(ValueError, KeyError, TypeError) as error:
        raise UserError(f"--output {output}: no run left a {path.name} to read there.") from error
    if uri is None:
        return None, reasons
    # Below this output, should it be one that was moved or copied since.
    found = layout.moved(uri)
    if not found.exists():
        raise UserError(f"{found} is no longer there; run again with --no-cache.")
    return str(found), reasons


def as_table(uri: str) -> Table:
    """How many were set aside for which reason, with a few of them by name."""
    found: dict[tuple[str, str], list[Reject]] = defaultdict(list)
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for split in quarantined_splits(uri):
        for reject in read_quarantine(uri, split):
            key = split, reject.reason
            counts[key] += 1
            if len(found[key]) < _SHOWN:
                found[key].append(reject)
    table = Table("split", "reason", "records", "of them", box=None, pad_edge=False)
    for (split, reason), rejects in sorted(found.items()):
        named = "\n".join(f"{display(reject.source)}: {reject.detail}" for reject in rejects)
        more = counts[split, reason] - len(rejects)
        named += f"\nand {more:,} more" if more else ""
        # As text: a file's name may look like rich's markup.
        table.add_row(split, reason, f"{counts[split, reason]:,}", Text(named))
    return table


def extract(uri: str, folder: Path) -> int:
    """Writes the bytes of every reject as a file; returns how many.

    Raises:
      UserError: the folder is not empty, or cannot be written.
    """
    count = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UserError(f"--extract {folder}: it is not empty; give another folder.")
        for split in quarantined_splits(uri):
            for number, reject in enumerate(read_quarantine(uri, split)):
                target = folder / split / reject.reason / _file_name(number, reject.source)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(reject.image)
                count += 1
    except OSError as error:
        raise UserError(f"--extract {folder} cannot be written: {error.strerror}.") from error
    return count


def _file_name(number: int, source: str) -> str:
    """A name that is one file's wherever the source came from."""
    return f"{number:06d}-{re.sub(r'[^A-Za-z0-9._-]+', '_', source)[-100:]}"
