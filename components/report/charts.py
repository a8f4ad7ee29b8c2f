"""The charts of a report as Vega-Lite specs; their colours come from the page's theme.

>>> cells = [(0, 0, 9), (0, 1, 1), (1, 1, 5)]
>>> shares(cells)[0, 1]
0.1
>>> confusion(cells, ("daisy", "rose"))["description"]
'Confusion matrix of 2 classes'
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import altair as alt

from components.finite import finite
from components.report import data_charts
from components.report.content import CalibrationBin, Report
from components.report.spec import Spec, finish

Cells = Sequence[tuple[int, int, int]]

LABELLED_CLASSES = 50
"""Up to here the axes of the confusion matrix name the classes."""
COUNTED_CLASSES = 12
"""Up to here its cells show their counts."""

_SERIES = {"accuracy": "Accuracy", "loss": "Loss"}


def specs(report: Report) -> dict[str, Spec]:
    """Every chart that `report` has data for, by the name that the page knows it by."""
    found = {}
    if report.confusion and report.confusion.cells:
        found["confusion"] = confusion(report.confusion.cells, report.class_names)
    if report.calibration:
        before = report.temperature.before if report.temperature else ()
        found["calibration"] = calibration(report.calibration, before)
    for metric in _SERIES:
        if any(known(row.get(key)) for row in report.history for key in (metric, f"val_{metric}")):
            found[f"training-{metric}"] = training(report.history, metric)
    if report.images:
        found |= data_charts.specs(report.images, report.class_names)
    return found


def known(value: float | None) -> bool:
    """Whether there is a number, and it is finite."""
    return value is not None and math.isfinite(value)


def shares(cells: Cells) -> dict[tuple[int, int], float]:
    """(true, predicted) -> part of the true class's images, between 0 and 1."""
    totals: Counter[int] = Counter()
    for true, _, count in cells:
        totals[true] += count
    return {(true, taken): count / totals[true] for true, taken, count in cells if count}


def confusion(cells: Cells, class_names: Sequence[str]) -> Spec:
    """Heatmap of (true, predicted, count); what is right has a colour scale of its own.

    Otherwise every mistake of a good model would be too pale to see beside the diagonal.
    """
    size = max(len(class_names), *(1 + max(true, taken) for true, taken, _ in cells))
    dots = size > LABELLED_CLASSES
    worst = max((share for (t, p), share in shares(cells).items() if t != p), default=1.0)
    kind: Any = "quantitative" if dots else "ordinal"
    base: Any = (
        alt.Chart(alt.NamedData("cells"))
        .transform_joinaggregate(total="sum(n)", groupby=["t"])
        .transform_calculate(
            share="datum.n / datum.total", true="names[datum.t]", taken="names[datum.p]"
        )
        .encode(
            x=alt.X("p", type=kind, **_index_axis("predicted class", size, dots)),
            y=alt.Y("t", type=kind, **_index_axis("true class", size, dots, down=True)),
            tooltip=[
                alt.Tooltip("true:N", title="true class"),
                alt.Tooltip("taken:N", title="predicted class"),
                alt.Tooltip("n:Q", title="images", format=","),
                alt.Tooltip("share:Q", title="of the true class", format=".1%"),
            ],
        )
    )
    base = base.mark_square(size=3, opacity=1) if dots else base.mark_rect()
    right = base.transform_filter("datum.t == datum.p").encode(color=_shade("ramp", 1.0))
    wrong = base.transform_filter("datum.t != datum.p").encode(color=_shade("heatmap", worst))
    if dots:
        most = max((count for true, taken, count in cells if true != taken), default=1)
        area = alt.Scale(domain=[0, max(10, most)], range=[8, 110])
        wrong = wrong.encode(size=alt.Size("n:Q", scale=area, legend=None))
    # With a thousand classes, a thin line of hits stays visible over the mistakes beside it.
    layers = [wrong, right] if dots else [right, wrong]
    if size <= COUNTED_CLASSES:
        layers.append(base.mark_text(fontSize=11).encode(text=alt.Text("n:Q", format=",")))
    chart = alt.layer(*layers).resolve_scale(color="independent")
    names = [*class_names, *(f"class {index}" for index in range(len(class_names), size))]
    spec = finish(chart, f"Confusion matrix of {size} classes", 640, 1.0, canvas=dots)
    # Put in here because altair would validate every row against its schema, which takes seconds.
    spec["datasets"] = {"cells": [{"t": t, "p": p, "n": n} for t, p, n in cells if n]}
    spec["params"] = [{"name": "names", "value": names}]
    spec["usermeta"]["dots"] = dots
    return spec


def calibration(bins: Sequence[CalibrationBin], before: Sequence[CalibrationBin] = ()) -> Spec:
    """Reliability: how often the model is right against how sure it is; both between 0 and 1.

    Args:
      bins: of the model.
      before: of the network without its temperature.
    """
    ideal = alt.Chart(alt.Data(values=[{"x": 0, "y": 0}, {"x": 1, "y": 1}]))
    area = alt.Size("count:Q", scale=alt.Scale(type="sqrt", range=[30, 320]), legend=None)
    layers = [ideal.mark_line(strokeDash=[4, 4], style="quiet").encode(x="x:Q", y="y:Q")]
    if before:
        base = _reliability(before, "before the temperature")
        layers += [
            base.mark_line(style="quiet"),
            base.mark_circle(style="quiet", opacity=0.6).encode(size=area),
        ]
    base = _reliability(bins, "the model")
    layers += [
        base.mark_line(style="curve"),
        base.mark_circle(style="dot", opacity=1).encode(size=area),
    ]
    title = "Reliability curve: how often right against how sure"
    title += ", in grey before the temperature" if before else ""
    return finish(alt.layer(*layers), title, 460, 0.9)


def _reliability(bins: Sequence[CalibrationBin], whose: str) -> Any:
    rows = [
        {
            "confidence": each.confidence,
            "accuracy": each.accuracy,
            "count": each.count,
            "range": f"{each.lower:.0%} to {each.upper:.0%}",
            "whose": whose,
        }
        for each in bins
    ]
    return alt.Chart(alt.Data(values=finite(rows))).encode(
        x=_ratio(alt.X, "confidence", "how sure the model is"),
        y=_ratio(alt.Y, "accuracy", "how often it is right"),
        tooltip=[
            alt.Tooltip("whose:N", title="curve"),
            alt.Tooltip("range:N", title="probability"),
            alt.Tooltip("confidence:Q", title="how sure", format=".1%"),
            alt.Tooltip("accuracy:Q", title="how often right", format=".1%"),
            alt.Tooltip("count:Q", title="images", format=","),
        ],
    )


def training(history: Sequence[dict[str, float | None]], metric: str) -> Spec:
    """`metric` by epoch, on training and on validation images.

    An epoch whose weights were restored is marked; the last one has nothing to restore.
    """
    rows: list[dict[str, Any]] = [
        {"epoch": row["epoch"], "value": row[key], "images": images}
        for row in history
        for key, images in ((metric, "training"), (f"val_{metric}", "validation"))
        if known(row.get("epoch")) and known(row.get(key))
    ]
    epochs = [row["epoch"] for row in rows]
    first, last = min(epochs, default=0), max(epochs, default=1)
    if first == last:
        first, last = first - 0.5, last + 0.5
    series: dict[str, Any] = {
        "scale": alt.Scale(domain=["training", "validation"]),
        "legend": alt.Legend(title=None, orient="top"),
    }
    lines = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(point=len(history) <= 40, interpolate="linear")
        .encode(
            x=alt.X(
                "epoch:Q",
                title="epoch",
                scale=alt.Scale(domain=[first, last], nice=False, zero=False),
                axis=alt.Axis(tickMinStep=1, format="d", grid=False, labelFlush=False),
            ),
            y=alt.Y(
                "value:Q",
                title=_SERIES[metric],
                scale=alt.Scale(zero=False),
                axis=alt.Axis(tickCount=5),
            ),
            color=alt.Color("images:N", **series),
            strokeDash=alt.StrokeDash("images:N", **series),
            tooltip=["images:N", "epoch:Q", alt.Tooltip("value:Q", title=metric, format=".4f")],
        )
    )
    earlier = [row for row in history[:-1] if known(row.get("epoch"))]
    restored = [row["epoch"] for row in earlier if row.get("restored")]
    marks = [mark for epoch in restored for mark in _marked(epoch, (first + last) / 2)]
    title = f"{_SERIES[metric]} by epoch on training and validation images"
    return finish(alt.layer(*marks, lines), title, 560, 0.62)


def _marked(epoch: float | None, middle: float) -> list[alt.Chart]:
    left = epoch is not None and epoch > middle
    here = alt.Chart(alt.Data(values=[{"epoch": epoch}])).encode(x="epoch:Q")
    # Above the curves, and to the side where there is room.
    text = here.mark_text(align="right" if left else "left", baseline="bottom", style="note")
    words = f"restored: epoch {epoch:g}"
    return [
        here.mark_rule(strokeDash=[2, 3], style="quiet"),
        text.encode(y=alt.value(-4), text=alt.value(words)),
    ]


def _index_axis(title: str, size: int, dots: bool, down: bool = False) -> dict[str, Any]:
    """A thousand names fit on no axis; it then shows the extent only."""
    if dots:
        scale = alt.Scale(domain=[-0.5, size - 0.5], nice=False, zero=False, reverse=down)
        axis = alt.Axis(labels=False, ticks=False, grid=False, domain=False)
        return {"title": f"{title} (1 to {size:,})", "scale": scale, "axis": axis}
    axis = alt.Axis(
        labelExpr="names[datum.value]",
        labelAngle=0 if down else -45,
        labelOverlap="greedy",
        ticks=False,
        domain=False,
    )
    scale = alt.Scale(domain=list(range(size)), padding=0.04 if size <= 20 else 0)
    return {"title": title, "scale": scale, "axis": axis}


def _shade(colours: Any, highest: float) -> alt.Color:
    return alt.Color(
        "share:Q", scale=alt.Scale(domain=[0, highest], range=colours), legend=None, title=None
    )


def _ratio(channel: Any, field: str, title: str) -> Any:
    scale = alt.Scale(domain=[0, 1])
    return channel(f"{field}:Q", title=title, scale=scale, axis=alt.Axis(format="%", tickCount=5))
