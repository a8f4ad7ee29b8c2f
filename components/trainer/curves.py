r"""Draws the training curves: accuracy and loss by epoch, on training and eval images.

>>> rows = [
...     {"epoch": 1, "accuracy": 0.4, "loss": 1.9, "val_accuracy": 0.5, "val_loss": 1.7},
...     {"epoch": 2, "accuracy": 0.7, "loss": 1.1, "val_accuracy": 0.6, "val_loss": 1.2},
... ]
>>> draw(rows)[:4]
b'\x89PNG'
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import tensorflow as tf

CURVES = "curves.png"

_PANELS = {"accuracy": "Accuracy", "loss": "Loss"}
_IMAGES = {"training": "#c2571a", "validation": "#1b5cb8"}
"""Colours by the images that a line was measured on."""
_MARK = "#17703f"
_INK, _QUIET, _LINE = "#1b1e23", "#59606b", "#dfe2e7"
_WIDTH, _HEIGHT, _SCALE = 420, 260, 2
_DOTTED_EPOCHS = 40
"""Up to this number of epochs each has a dot."""

Rows = Sequence[Mapping[str, Any]]


def write_curves(rows: Rows, folder: str) -> None:
    """Writes the history as `curves.png`, at 2x for high-resolution screens.

    Args:
      rows: one per epoch, as `Loop.run` returns them: `epoch`, `accuracy`, `loss`,
        `val_accuracy`, `val_loss`, `restored`. A value that is missing, None or not finite gives
        a gap; other keys are ignored.
      folder: for the picture, local or gs://; made if it is missing.
    """
    tf.io.gfile.makedirs(folder)
    with tf.io.gfile.GFile(os.path.join(folder, CURVES), "wb") as stream:
        stream.write(draw(rows))


def draw(rows: Rows) -> bytes:
    """The picture as PNG."""
    panels = [_panel(rows, metric) for metric in _PANELS]
    chart = (
        alt.hconcat(*panels)
        .configure(background="white", padding=12)
        .configure_view(stroke=None)
        .configure_axis(
            gridColor=_LINE,
            domainColor=_LINE,
            tickColor=_LINE,
            labelColor=_QUIET,
            titleColor=_QUIET,
            titleFontWeight="normal",
        )
        .configure_legend(labelColor=_INK, symbolType="stroke", symbolStrokeWidth=3)
    )
    stream = io.BytesIO()
    chart.save(stream, format="png", scale_factor=_SCALE)
    return stream.getvalue()


def _panel(rows: Rows, metric: str) -> Any:
    values = [
        # None breaks a line, which would bridge a missing row.
        {"epoch": row["epoch"], "value": _known(row.get(key)), "images": images}
        for row in rows
        for key, images in ((metric, "training"), (f"val_{metric}", "validation"))
    ]
    epochs = [row["epoch"] for row in rows]
    first, last = min(epochs, default=0), max(epochs, default=1)
    ticks: Any = alt.Undefined
    if first == last:
        # A scale of zero width would put its only point on the edge.
        first, last, ticks = first - 0.5, last + 0.5, epochs
    x = alt.X(
        "epoch:Q",
        title="epoch",
        scale=alt.Scale(domain=[first, last], nice=False, zero=False),
        axis=alt.Axis(values=ticks, tickMinStep=1, format="d", grid=False, labelFlush=False),
    )
    colours = alt.Scale(domain=list(_IMAGES), range=list(_IMAGES.values()))
    lines = (
        alt.Chart(alt.Data(values=values))
        .mark_line(point=len(rows) <= _DOTTED_EPOCHS)
        .encode(
            x=x,
            y=alt.Y("value:Q", title=_PANELS[metric], scale=alt.Scale(zero=False)),
            color=alt.Color("images:N", scale=colours, legend=alt.Legend(title=None, orient="top")),
        )
    )
    # The last epoch is not marked: the model has its weights without a restore.
    restored = [row["epoch"] for row in rows[:-1] if row.get("restored")]
    marks = [mark for epoch in restored for mark in _marked(epoch, epoch > (first + last) / 2)]
    return alt.layer(*marks, lines).properties(width=_WIDTH, height=_HEIGHT)


def _marked(epoch: float, left: bool) -> tuple[alt.Chart, alt.Chart]:
    """A line at the restored epoch, and a label above the curves on the side with more room."""
    here = alt.Chart(alt.Data(values=[{"epoch": epoch}])).encode(x="epoch:Q")
    text = here.mark_text(
        align="right" if left else "left", baseline="bottom", color=_MARK, fontSize=11
    )
    return (
        here.mark_rule(strokeDash=[4, 3], color=_MARK),
        text.encode(y=alt.value(-4), text=alt.value(f"restored: epoch {epoch:g}")),
    )


def _known(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
