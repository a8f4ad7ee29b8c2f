"""A chart as the page takes it: a Vega-Lite spec; the page brings library and theme.

>>> chart = alt.Chart(alt.Data(values=[{"n": 3}])).mark_bar().encode(x="n:Q")
>>> spec = finish(chart, "Images by class", widest=640, ratio=0.5)
>>> spec["description"], spec["usermeta"]["widest"]
('Images by class', 640)
"""

from __future__ import annotations

from typing import Any

import altair as alt

Spec = dict[str, Any]


def finish(
    chart: Any,
    title: str,
    widest: int,
    ratio: float,
    *,
    canvas: bool = False,
    height: int | None = None,
) -> Spec:
    """The spec of an altair chart.

    `usermeta` says how the page draws it: `widest` and `height` are in CSS pixels, `ratio` is
    height by width where there is no `height`, `dots` asks for colours that show as single dots.

    Args:
      chart: without a size.
      title: what it shows, in words.
      widest: as above.
      ratio: as above.
      canvas: whether it has too many marks for SVG.
      height: as above.
    """
    spec: Spec = chart.properties(
        description=title, autosize=alt.AutoSizeParams(type="fit", contains="padding")
    ).to_dict()
    spec.pop("$schema", None)
    spec.pop("config", None)
    spec["usermeta"] = {
        "widest": widest,
        "ratio": ratio,
        "height": height,
        "dots": False,
        "embedOptions": {"renderer": "canvas" if canvas else "svg"},
    }
    return spec
