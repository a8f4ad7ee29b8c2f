"""Which output folder the last run wrote, for commands that are given none.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as runs:
...     output = Path(runs, "digits")
...     output.mkdir()
...     before = last_output(Path(runs))
...     (output / "run_summary.json").touch()
...     before, last_output(Path(runs)) == str(output)
(None, True)
"""

from __future__ import annotations

from pathlib import Path

RUNS = Path("runs")
"""The folder of all outputs, below the user's own: `./runs/<pipeline name>`."""


def last_output(runs: Path = RUNS) -> str | None:
    """The output folder whose run_summary.json is the newest; None where there is none."""
    found = [(path.stat().st_mtime_ns, path) for path in runs.glob("*/run_summary.json")]
    return str(max(found)[1].parent) if found else None
