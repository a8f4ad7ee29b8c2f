"""The charts of the data: sizes of the images, and how many each class has, split by split.

>>> split = SplitImages("train", (5, 3), {"jpeg": 8}, None, None, None, sides=(6, 2))
>>> list(specs(Images((split,), side_edges=(32, 64, 129)), ("daisy", "rose")))
['data-sides', 'data-labels']
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from components.report.content import Images, SplitImages
from components.report.images import is_geometric
from components.report.spec import Spec, finish

NAMED_CLASSES = 30
"""Up to here every class has its bars; more are a curve."""
_BAR_PX, _BETWEEN_PX, _AROUND_PX = 9, 8, 90


def specs(images: Images, class_names: Sequence[str]) -> dict[str, Spec]:
    """Every chart that there is something to show for, by the name that the page knows it by."""
    splits = [split for split in images.splits if split.count]
    found = {}
    if images.side_edges:
        title = "shorter side in pixels"
        found["data-sides"] = _histogram(splits, "sides", images.side_edges, title)
    if images.size_edges:
        title = "size in bytes"
        found["data-sizes"] = _histogram(splits, "sizes", images.size_edges, title)
    if splits:
        few = len(splits[0].labels) <= NAMED_CLASSES
        found["data-labels"] = (_bars if few else _ranked)(splits, class_names)
    return found


def _histogram(splits: Sequence[SplitImages], what: str, edges: Sequence[int], title: str) -> Spec:
    """Share of each split's images by bin."""
    kind: Any = "log" if is_geometric(edges) else "linear"
    scale = alt.Scale(type=kind, domain=[edges[0], edges[-1]], nice=False)
    axis = alt.Axis(format="~s", grid=False, labelOverlap="greedy", tickCount=6)
    x = alt.X("at:Q", title=title, scale=scale, axis=axis)
    chart = _steps(splits, x, alt.Tooltip("of:N", title=title))
    spec = finish(chart, f"Share of images by {title}, of every split", 560, 0.55)
    rows = [
        {"of": f"{low:,}" if high - low == 1 else f"{low:,} to {high - 1:,}"}
        for low, high in itertools.pairwise(edges)
    ]
    return _with_rows(spec, edges, rows, {split.split: getattr(split, what) for split in splits})


def _ranked(splits: Sequence[SplitImages], class_names: Sequence[str]) -> Spec:
    """Share of each split's images by class, from the largest class of the first split on."""
    first = splits[0].labels
    order = sorted(range(len(first)), key=lambda index: -first[index])
    # A place among the classes has no meaning.
    axis = alt.Axis(labels=False, ticks=False, grid=False)
    title = f"{len(order):,} classes, the largest of the {splits[0].split} split first"
    x = alt.X("at:Q", title=title, scale=alt.Scale(domain=[0, len(order)], nice=False), axis=axis)
    chart = _steps(splits, x, alt.Tooltip("name:N", title="class"), dots=True)
    title = "Share of images by class, of every split"
    spec = finish(chart, title, 1160, 1.0, canvas=True, height=300)
    counts = {split.split: [split.labels[index] for index in order] for split in splits}
    rows = [{"c": index} for index in order]
    spec = _with_rows(spec, range(len(order) + 1), rows, counts)
    spec["params"].append({"name": "names", "value": list(class_names)})
    return spec


def _steps(splits: Sequence[SplitImages], x: alt.X, where: alt.Tooltip, dots: bool = False) -> Any:
    """A stepped line a split, and what is under the pointer; of the rows of `_with_rows`.

    Args:
      splits: what is drawn.
      x: their common axis.
      where: the tooltip's text for a bin.
      dots: whether bins are classes: a line for the first split, which they are sorted by, and dots
        for the others, whose lines would go up and down a thousand times.
    """
    names: list[Any] = [split.split for split in splits]
    y = alt.Y(
        "share:Q",
        title="share of the split",
        # A few large classes would press all the others to the floor.
        scale=alt.Scale(type="sqrt" if dots else "linear", zero=True),
        axis=alt.Axis(format="~%", tickCount=5),
    )
    shares = (
        alt.Chart(alt.NamedData("bins"))
        .transform_fold(names, as_=["split", "n"])
        .transform_calculate(share="datum.n / totals[datum.split]")
        .encode(x=x, y=y, **_by_split(names))
    )
    hover: Any = alt.Chart(alt.NamedData("bins"))
    lines, more = shares, []
    if dots:
        hover = hover.transform_calculate(name="names[datum.c]")
        lines = shares.transform_filter(f"datum.split == {names[0]!r}")
        others = shares.transform_filter(f"datum.split != {names[0]!r}")
        more.append(others.mark_circle(size=12, opacity=0.6))
    numbers = [alt.Tooltip(f"{name}:Q", title=name, format=",") for name in names]
    bins = hover.mark_rect(opacity=0).encode(
        x=x, x2="end:Q", y=alt.value(0), y2=alt.value("height"), tooltip=[where, *numbers]
    )
    return alt.layer(*more, lines.mark_line(interpolate="step-after"), bins)


def _with_rows(
    spec: Spec,
    edges: Sequence[int],
    rows: Sequence[dict[str, Any]],
    counts: Mapping[str, Sequence[int]],
) -> Spec:
    """The spec with a row for each bin: its edges, what is known about it, each split's images."""
    found = [
        {"at": low, "end": high, **known, **dict(zip(counts, here, strict=True))}
        for (low, high), known, here in zip(
            itertools.pairwise(edges), rows, zip(*counts.values(), strict=True), strict=True
        )
    ]
    # The last step needs an end.
    found.append({**found[-1], "at": edges[-1]})
    spec["datasets"] = {"bins": found}
    totals = {split: sum(of) for split, of in counts.items()}
    spec["params"] = [{"name": "totals", "value": totals}]
    return spec


def _bars(splits: Sequence[SplitImages], class_names: Sequence[str]) -> Spec:
    """Share of each split's images by class, a bar a split."""
    rows = [
        {"c": index, "split": split.split, "n": count, "share": count / split.count}
        for split in splits
        for index, count in enumerate(split.labels)
    ]
    names = [split.split for split in splits]
    classes = list(range(len(splits[0].labels)))
    chart: Any = (
        alt.Chart(alt.NamedData("labels"))
        .transform_calculate(name="names[datum.c]")
        .mark_bar()
        .encode(
            x=alt.X("share:Q", title="share of the split", axis=alt.Axis(format="~%", tickCount=5)),
            y=alt.Y(
                "c:O",
                title=None,
                scale=alt.Scale(domain=classes, paddingInner=0.3),
                axis=alt.Axis(labelExpr="names[datum.value]", ticks=False, domain=False),
            ),
            yOffset=alt.YOffset("split:N", scale=alt.Scale(domain=names)),
            tooltip=[
                alt.Tooltip("name:N", title="class"),
                alt.Tooltip("split:N", title="split"),
                alt.Tooltip("n:Q", title="images", format=","),
                alt.Tooltip("share:Q", title="of the split", format=".2%"),
            ],
            **_by_split(names, symbolType="square", symbolSize=120),
        )
    )
    height = len(classes) * (len(names) * _BAR_PX + _BETWEEN_PX) + _AROUND_PX
    title = "Share of images by class, of every split"
    spec = finish(chart, title, 640, 1.0, height=height)
    spec["datasets"] = {"labels": rows}
    spec["params"] = [{"name": "names", "value": list(class_names)}]
    return spec


def _by_split(names: list[str], **look: Any) -> dict[str, Any]:
    legend = alt.Legend(title=None, orient="top", **look)
    return {"color": alt.Color("split:N", scale=alt.Scale(domain=names), legend=legend)}
