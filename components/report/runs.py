"""All runs of a pipeline on one page: when, how accurate, which verdict, and what had changed.

>>> list(changes({"training": {"seed": 1, "epochs": 5}}, {"training": {"seed": 2, "epochs": 5}}))
['training.seed: 1 → 2']
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent
_VERDICTS = {0: "blessed", 1: "failed", 2: "not run", 3: "rejected"}
_UNFINISHED = "did not finish"


@dataclass(frozen=True)
class RunRow:
    """One run.

    Attributes:
      run_id: names its logs.
      finished: local time as ISO 8601, to the second; of a run that did not finish, when it began.
      verdict: blessed, rejected, failed, not run or did not finish.
      accuracy: None where it was not measured.
      loss: None where it was not measured.
      reasons: why it was rejected or failed.
      changes: what differs in the configuration from the run before, `training.seed: 1 → 2`.
      pushed: whether it pushed a version.
    """

    run_id: str
    finished: str
    verdict: str
    accuracy: float | None
    loss: float | None
    reasons: tuple[str, ...]
    changes: tuple[str, ...]
    pushed: bool


def run_rows(summaries: Sequence[Mapping[str, Any]]) -> list[RunRow]:
    """Rows of the page, the newest first.

    Args:
      summaries: run_summary.json of every run, oldest first, with its `finished`; that is None of
        a run that was killed, or still runs, which has `started`.
    """
    rows = []
    before: Mapping[str, Any] | None = None
    for summary in summaries:
        config = summary["config"]
        metrics = summary["metrics"]
        rows.append(
            RunRow(
                run_id=summary["run_id"],
                finished=summary["finished"] or summary.get("started", ""),
                verdict=_verdict(summary),
                accuracy=metrics.get("accuracy"),
                loss=metrics.get("loss"),
                reasons=tuple(summary["reasons"]),
                changes=tuple(changes(before, config)) if before and config else (),
                pushed=summary["pushed"] is not None,
            )
        )
        # A run that ended before its configuration was settled has none.
        before = config or before
    return rows[::-1]


def _verdict(summary: Mapping[str, Any]) -> str:
    if summary["finished"] is None:
        return _UNFINISHED
    return _VERDICTS.get(summary["exit_code"], "failed")


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """What differs between two configurations, one `section.key: old → new` a value."""
    old, new = dict(_flat(before)), dict(_flat(after))
    for key in dict.fromkeys([*old, *new]):
        if old.get(key) != new.get(key):
            yield f"{key}: {_text(old, key)} → {_text(new, key)}"


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _text(values: Mapping[str, Any], key: str) -> str:
    if key not in values:
        return "not given"
    value = values[key]
    return "null" if value is None else str(value)


def render_runs(pipeline: str, summaries: Sequence[Mapping[str, Any]]) -> str:
    """The page as HTML; it needs neither scripts nor a network.

    Args:
      pipeline: the pipeline's name.
      summaries: as for `run_rows`.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    rows = run_rows(summaries)
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    chart = _chart([row for row in rows if row.accuracy is not None])
    return environment.get_template("runs.html.j2").render(
        pipeline=pipeline, rows=rows, style=style, chart=chart
    )


def _chart(rows: Sequence[RunRow]) -> str:
    """Accuracy over the runs as an inline SVG; empty for fewer than two."""
    if len(rows) < 2:
        return ""
    import vl_convert

    values = [
        {"run": row.finished, "accuracy": row.accuracy, "verdict": row.verdict}
        for row in reversed(rows)
    ]
    x = {"field": "run", "type": "ordinal", "axis": {"labels": False, "title": "runs, in order"}}
    y = {"field": "accuracy", "type": "quantitative", "scale": {"zero": False}}
    # One domain for both, or the verdicts would have two legends.
    verdicts = [name for name in _VERDICTS.values() if any(row.verdict == name for row in rows)]
    colours = {"blessed": "#2a9d63", "rejected": "#d1622b"}
    colour = {
        "field": "verdict",
        "type": "nominal",
        "scale": {"domain": verdicts, "range": [colours.get(name, "#8b8b8b") for name in verdicts]},
    }
    shape = {"field": "verdict", "type": "nominal", "scale": {"domain": verdicts}}
    spec = {
        "width": 640,
        "height": 160,
        "background": None,
        "data": {"values": values},
        "config": {"axis": {"labelColor": "#808080", "titleColor": "#808080", "gridOpacity": 0.2},
                   "legend": {"labelColor": "#808080", "titleColor": "#808080"},
                   "view": {"stroke": None}},
        "layer": [
            {"mark": {"type": "line", "color": "#808080"}, "encoding": {"x": x, "y": y}},
            {
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {"x": x, "y": y, "color": colour, "shape": shape},
            },
        ],
    }  # fmt: skip
    return str(vl_convert.vegalite_to_svg(spec))
