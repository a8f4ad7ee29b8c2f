"""The end of a run on this machine, where its folders cannot be written any more."""

import io
import json

import pytest
from rich.console import Console

from pipeline.run.layout import Layout
from pipeline.run.local import _LocalRun
from pipeline.run.summary import Summary


@pytest.fixture
def ended(tmp_path):
    """A run that has ended well, without the folder of its logs; and what it printed."""
    layout = Layout(tmp_path)
    summary = Summary("digits", "20261130-101500-000000", exit_code=0, blessed=True)
    printed = io.StringIO()
    return _LocalRun(layout, summary, lock=None), layout, Console(file=printed, width=80), printed


def test_lost_logs_do_not_change_how_a_run_ended(ended):
    run, layout, console, printed = ended
    layout.logs("").write_text("a file in the place of the folder")
    run.leave(console)
    assert json.loads((layout.output / "run_summary.json").read_text())["exit_code"] == 0
    said = printed.getvalue()
    assert said.startswith(f"warning: {layout.logs('20261130-101500-000000')}/run_summary.json ")
    assert "did not finish" in said
    assert said.count("\n") == 1


def test_a_summary_that_cannot_be_written_is_named(ended):
    run, layout, console, _ = ended
    layout.output.rmdir()
    layout.output.write_text("a file")
    with pytest.raises(OSError, match="File exists") as raised:
        run.leave(console)
    assert raised.value.filename
