"""What the user sees of a run: steps with state and time, epochs, and the verdict.

>>> legend({"complete", "cached"})
'✓ done   = unchanged, from the cache'
"""

from __future__ import annotations

import time
from collections.abc import Container
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from components.evaluator.gates import MEANS, number
from pipeline.config import Config
from pipeline.run.summary import COMPLETED, MODEL_REJECTED, Summary

_MARKS = {
    "complete": ("✓", "green", "done"),
    "cached": ("=", "cyan", "unchanged, from the cache"),
    "failed": ("✗", "red", "failed"),
    "skipped": ("·", "dim", "not run"),
}
"""By state: the mark, its style, and its text in the legend."""
_FIRST_COLUMN = 20


class View:
    """A live table on a terminal; plain lines, one an event, everywhere else."""

    def __init__(self, console: Console, summary: Summary):
        self._console = console
        self._summary = summary
        self._phase = "Starting"
        self._running: dict[str, float] = {}
        self._notes: dict[str, str] = {}
        self._seen: set[str] = set()
        # Dots of Braille are in no other encoding.
        self._spinner = "dots" if console.encoding.startswith("utf") else "line"
        self._live = Live(console=console, refresh_per_second=8, get_renderable=self._render)

    def __enter__(self) -> View:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._phase = ""
        # At the end of a run that took every step there is nothing to explain.
        if self._seen - {"complete"}:
            self._line(f"  ({legend(self._seen)})")
        if self._console.is_terminal:
            self._live.stop()

    def show(self, event: dict[str, Any]) -> None:
        """Draws one event of the worker; the summary has it already."""
        kind = event["event"]
        if kind == "phase":
            self._phase = event["text"]
            self._line(f"{self._phase} …")
        elif kind == "inputs":
            *first, last = (f"{count:,} {split}" for split, count in event["examples"].items())
            self._line(
                f"Data {event['source']}: {', '.join(first)} and {last} images in "
                f"{event['classes']} classes; backbone {event['backbone']}"
            )
        elif kind == "note":
            # On a terminal above the table, where it stays.
            self._console.print(escape(event["text"]), highlight=False, soft_wrap=True)
        elif kind == "step":
            self._step(event)
        elif kind in ("epoch", "trial", "finding"):
            text = _epoch_text(event) if kind == "epoch" else event["text"]
            self._notes.update(dict.fromkeys(self._running, text))
            self._line(f"    {text}")

    def _step(self, event: dict[str, Any]) -> None:
        self._phase = ""
        if event["state"] == "running":
            self._running = {event["id"]: time.monotonic()}
            return
        self._running = {}
        mark, _, _ = _MARKS[event["state"]]
        self._seen.add(event["state"])
        self._line(f"  {mark} {event['id']:<{_FIRST_COLUMN}} {_seconds(event['seconds'])}")

    def _line(self, text: str) -> None:
        if not self._console.is_terminal:
            self._console.print(escape(text), highlight=False, soft_wrap=True)

    def _render(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        for step in self._summary.steps:
            if step.id in self._running:
                elapsed = _seconds(time.monotonic() - self._running[step.id])
                note = escape(self._notes.get(step.id, ""))
                spinner: RenderableType = Spinner(self._spinner, style="yellow")
                table.add_row(spinner, f"[bold]{step.id}[/]", elapsed, f"[dim]{note}[/]")
            else:
                mark, style, _ = _MARKS[step.state]
                done = step.state in ("complete", "failed")
                note = escape(self._notes.get(step.id, "")) if done else ""
                note = "unchanged" if step.state == "cached" else note
                time_text = _seconds(step.seconds) if done else ""
                row_style = "dim" if step.state == "skipped" else ""
                table.add_row(
                    f"[{style}]{mark}[/]", step.id, time_text, f"[dim]{note}[/]", style=row_style
                )
        shown: list[RenderableType] = [table]
        states = {step.state for step in self._summary.steps if step.id not in self._running}
        if states - {"complete"}:
            shown.append(Text(legend(states), style="dim"))
        if self._phase:
            shown.append(Spinner(self._spinner, text=Text(self._phase), style="yellow"))
        return Group(*shown)


def legend(states: Container[str]) -> str:
    """What the marks of some states mean: `✓ done   = unchanged, from the cache`."""
    found = [f"{mark} {says}" for state, (mark, _, says) in _MARKS.items() if state in states]
    return "   ".join(found)


def print_verdict(
    console: Console, summary: Summary, config: Config, served: Path | None, logs: Path
) -> None:
    """The end of a run: the numbers against gate and baseline, the verdict, where things are."""
    if summary.metrics:
        console.print(_numbers_table(summary, config))
    for label, text in _ending(summary, served, logs):
        console.print(f"{label:<9} {escape(text)}", highlight=False, soft_wrap=True)


def _numbers_table(summary: Summary, config: Config) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "this model", "floor", "baseline", "may fall by"):
        table.add_column(column, justify="left" if not column else "right")
    gates = config.evaluation
    rows: dict[str, tuple[float | None, float | None]] = {
        "accuracy": (gates.min_accuracy, gates.max_regression)
    }
    for name in MEANS:
        if (floor := getattr(gates, f"min_{name}")) is not None:
            rows[name] = (floor, None)
    rows["loss"] = (None, None)
    for name, (floor, fall) in rows.items():
        numbers = (summary.metrics.get(name), floor, summary.baseline_metrics.get(name), fall)
        shown = ("-" if value is None else number(value) for value in numbers)
        table.add_row(MEANS.get(name, (name,))[0], *shown)
    return table


def _ending(summary: Summary, served: Path | None, logs: Path) -> list[tuple[str, str]]:
    """Labelled lines below the table."""
    lines = []
    if summary.exit_code == COMPLETED:
        lines.append(("Verdict", "blessed"))
        why = summary.not_pushed or "it is this model already; nothing was pushed"
        lines.append(("Model", summary.pushed or f"{served} ({why})"))
    elif summary.exit_code == MODEL_REJECTED:
        lines.append(("Verdict", f"rejected: {_joined(summary.reasons)}"))
        unchanged = f"{served} is still served" if served else "nothing is served"
        lines.append(("Model", f"not pushed; {unchanged}"))
    else:
        lines.append(("Failed", "\n".join(summary.reasons)))
    if summary.model_check.get("p50_ms"):
        lines.append(("Serving", _serving(summary.model_check)))
    lines += [("Warning", text) for text in summary.warnings]
    if summary.span is not None:
        lines.append(("Data", f"span {summary.span}"))
    lines.append(("Logs", str(logs)))
    if summary.report:
        lines.append(("Report", summary.report))
    return lines


def _serving(measured: dict[str, float]) -> str:
    return (
        f"loads in {measured['load_s']:.1f} s; {measured['p50_ms']:.1f} ms an image (99th "
        f"percentile {measured['p99_ms']:.1f} ms); {measured['memory_mb']:,.0f} MB with TensorFlow"
    )


def _joined(reasons: list[str], shown: int = 5) -> str:
    more = len(reasons) - shown
    return "; ".join(reasons[:shown]) + (f"; and {more} more" if more > 0 else "")


def _epoch_text(event: dict[str, Any]) -> str:
    metrics = event["metrics"]
    trial = event["trial"]
    judged = "held-out accuracy" if trial else "eval accuracy"
    shown = {"loss": "loss", "accuracy": "accuracy", "val_accuracy": judged}
    numbers = ", ".join(f"{label} {metrics[k]:.4f}" for k, label in shown.items() if k in metrics)
    place = f"trial {trial}, " if trial else ""
    return f"{place}epoch {event['epoch']}/{event['epochs']}: {numbers}"


def _seconds(seconds: float) -> str:
    return f"{seconds:6.1f} s"
