"""The marks of steps have a legend."""

import io

from rich.console import Console

from pipeline.run.summary import StepState, Summary
from pipeline.run.view import View, legend


def shown(events, terminal=False):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100, color_system=None)
    steps = [StepState(event["id"], event["state"]) for event in events]
    with View(console, Summary(steps=steps)) as view:
        for event in events:
            view.show(event)
    return stream.getvalue()


def step(name, state):
    return {"event": "step", "id": name, "state": state, "seconds": 1.0}


def test_marks_that_were_shown_are_explained_once():
    text = shown([step("Transform", "cached"), step("Trainer", "complete")])
    assert text.splitlines()[-1] == "  (✓ done   = unchanged, from the cache)"
    assert shown([step("Trainer", "failed")]).endswith("(✗ failed)\n")


def test_a_run_that_took_every_step_needs_no_legend():
    assert "done" not in shown([step("Transform", "complete"), step("Trainer", "complete")])


def test_the_live_table_has_it_below_the_steps():
    text = shown([step("Transform", "cached"), step("Trainer", "skipped")], terminal=True)
    assert "= unchanged, from the cache   · not run" in text


def test_every_state_has_a_mark_and_a_meaning():
    states = ("complete", "cached", "failed", "skipped")
    assert legend(states) == "✓ done   = unchanged, from the cache   ✗ failed   · not run"
