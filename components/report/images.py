"""Sizes, formats and classes of the images, from the index that ImageExampleGen writes.

>>> import pyarrow as pa
>>> columns = {"label": [0, 1, 1], "format": ["png", "jpeg", "jpeg"], "width": [64, 64, 32]}
>>> table = pa.table({**columns, "height": [64, 48, 32], "num_bytes": [900, 800, 700]})
>>> [train] = describe({"train": table}, num_classes=2).splits
>>> train.labels, train.formats, train.width
((1, 2), {'jpeg': 2, 'png': 1}, Spread(least=32, median=64.0, most=64))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.report.content import Images, SplitImages, Spread

BINS = 24
COLUMNS = ("label", "format", "width", "height", "num_bytes")
"""Columns of the index that are read here."""

_GEOMETRIC = 4
"""If the largest value is this many times the smallest, bins grow geometrically."""


def describe(tables: Mapping[str, Any], num_classes: int) -> Images | None:
    """Counts the images; None if there are none.

    Args:
      tables: pyarrow tables with `COLUMNS`, by split.
      num_classes: labels are below it.
    """
    columns = {split: {name: table[name] for name in COLUMNS} for split, table in tables.items()}
    if not any(table.num_rows for table in tables.values()):
        return None
    numbers = {
        split: {name: table[name].to_numpy() for name in COLUMNS if name != "format"}
        for split, table in columns.items()
    }
    sides = {split: np.minimum(of["width"], of["height"]) for split, of in numbers.items()}
    sizes = {split: of["num_bytes"] for split, of in numbers.items()}
    side_edges, size_edges = edges_of(sides), edges_of(sizes)
    splits = tuple(
        SplitImages(
            split=split,
            labels=_by_class(of["label"], num_classes),
            formats=_by_name(columns[split]["format"]),
            width=_spread(of["width"]),
            height=_spread(of["height"]),
            num_bytes=_spread(of["num_bytes"]),
            sides=_by_bin(sides[split], side_edges),
            sizes=_by_bin(sizes[split], size_edges),
        )
        for split, of in numbers.items()
    )
    return Images(splits, side_edges, size_edges)


def edges_of(values: Mapping[str, np.ndarray], bins: int = BINS) -> tuple[int, ...]:
    """Edges of bins that hold all values; bin i holds those from edge i to before edge i + 1.

    Args:
      values: whole numbers above 0, by split.
      bins: how many, at most.

    Returns:
      Rising numbers; none if all values are the same.
    """
    present = [of for of in values.values() if len(of)]
    if not present:
        return ()
    least, most = int(min(map(np.min, present))), int(max(map(np.max, present)))
    if least == most:
        return ()
    spaced = np.geomspace if least > 0 and most >= _GEOMETRIC * least else np.linspace
    edges = np.unique(np.rint(spaced(least, most + 1, bins + 1)).astype(np.int64))
    return tuple(int(edge) for edge in edges)


def is_geometric(edges: Sequence[int]) -> bool:
    """Whether bins widen with what they count, so that they are even on a logarithmic axis."""
    return edges[0] > 0 and edges[-1] - 1 >= _GEOMETRIC * edges[0]


def _by_class(labels: np.ndarray, num_classes: int) -> tuple[int, ...]:
    inside = labels[(labels >= 0) & (labels < num_classes)]
    return tuple(np.bincount(inside, minlength=num_classes).tolist())


def _by_name(column: Any) -> dict[str, int]:
    """The most frequent first."""
    found = {each["values"]: each["counts"] for each in column.value_counts().to_pylist()}
    return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))


def _spread(values: np.ndarray) -> Spread | None:
    if not len(values):
        return None
    return Spread(int(values.min()), float(np.median(values)), int(values.max()))


def _by_bin(values: np.ndarray, edges: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(np.histogram(values, edges)[0].tolist()) if edges else ()
