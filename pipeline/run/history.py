"""All runs of a pipeline as a table for the terminal, from the summaries that they left.

>>> import tempfile
>>> from pipeline.config import load_config
>>> from pipeline.run.summary import begin
>>> with tempfile.TemporaryDirectory() as output:
...     _ = begin(load_config("digits"), Layout(output), "20261130-101500-000000")
...     runs_table(output).row_count
1
"""

from __future__ import annotations

from pathlib import PurePath

from rich.table import Table
from rich.text import Text

from components.errors import UserError
from components.evaluator.gates import number
from components.report.runs import run_rows
from pipeline.run.layout import Layout
from pipeline.run.report import summaries_of


def runs_table(output: str) -> Table:
    """The runs of an output folder, the newest first.

    Raises:
      UserError: no run left a summary there.
    """
    summaries = list(summaries_of(Layout(output)))
    if not summaries:
        raise UserError(f"--output {output}: no run left its summary below {output}/logs.")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("ended", "exit", "accuracy", "verdict", "pushed", "run"):
        table.add_column(column, justify="right" if column in ("exit", "accuracy") else "left")
    for row, summary in zip(run_rows(summaries), reversed(summaries), strict=True):
        table.add_row(
            row.finished.replace("T", " "),
            "-" if summary["finished"] is None else str(summary["exit_code"]),
            "-" if row.accuracy is None else number(row.accuracy),
            row.verdict,
            PurePath(summary["pushed"]).name if summary["pushed"] else "-",
            Text(row.run_id),
        )
    return table
