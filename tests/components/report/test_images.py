"""What is counted of the index of images."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.example_gen import index
from components.report import data_charts
from components.report.content import Spread
from components.report.images import BINS, describe, edges_of, is_geometric


def table(*rows):
    """Rows of (label, format, width, height, bytes)."""
    columns = zip(*rows, strict=True) if rows else [[]] * 5
    names = ("label", "format", "width", "height", "num_bytes")
    types = [index.schema().field(name).type for name in names]
    arrays = [pa.array(list(of), kind) for of, kind in zip(columns, types, strict=True)]
    return pa.table(dict(zip(names, arrays, strict=True)))


THREE = table((0, "jpeg", 320, 240, 9000), (2, "png", 100, 300, 20_000), (2, "jpeg", 50, 60, 1000))


def test_it_counts_by_class_format_and_size():
    (split,) = describe({"train": THREE}, 4).splits
    assert (split.split, split.count) == ("train", 3)
    assert split.labels == (1, 0, 2, 0)
    assert split.formats == {"jpeg": 2, "png": 1}
    assert list(split.formats) == ["jpeg", "png"]
    assert split.width == Spread(50, 100.0, 320)
    assert split.height == Spread(60, 240.0, 300)
    assert split.num_bytes == Spread(1000, 9000.0, 20_000)
    assert sum(split.sides) == sum(split.sizes) == 3


def test_splits_share_their_bins():
    more = table((1, "gif", 900, 800, 50_000))
    images = describe({"train": THREE, "eval": more}, 4)
    assert [split.split for split in images.splits] == ["train", "eval"]
    assert images.side_edges[0] == 50
    assert images.side_edges[-1] == 801
    assert images.splits[1].sides == (*[0] * (len(images.side_edges) - 2), 1)


def test_images_of_one_size_need_no_bins():
    images = describe({"train": table((0, "png", 8, 8, 90), (1, "png", 8, 8, 90))}, 2)
    assert images.side_edges == images.size_edges == ()
    assert images.splits[0].sides == ()


def test_a_split_without_images_is_told_beside_the_others():
    images = describe({"train": THREE, "eval": table()}, 4)
    empty = images.splits[1]
    assert (empty.count, empty.width, empty.formats) == (0, None, {})
    assert sum(empty.sides) == 0
    assert set(data_charts.specs(images, "abcd")) == {"data-sides", "data-sizes", "data-labels"}


@pytest.mark.parametrize("tables", [{}, {"train": table()}])
def test_without_an_image_there_is_nothing(tables):
    assert describe(tables, 4) is None


def test_a_label_that_is_no_class_is_not_counted():
    strange = table((-1, "png", 8, 8, 90), (4, "png", 8, 8, 90), (3, "png", 8, 8, 90))
    assert describe({"train": strange}, 4).splits[0].labels == (0, 0, 0, 1)


@given(
    st.lists(st.lists(st.integers(1, 10**9), max_size=30), min_size=1, max_size=3),
    st.integers(1, 40),
)
def test_bins_hold_every_value_once(lists, bins):
    values = {str(place): np.array(of, np.int64) for place, of in enumerate(lists)}
    edges = edges_of(values, bins)
    together = [value for of in lists for value in of]
    if len(set(together)) < 2:
        assert edges == ()
        return
    assert list(edges) == sorted(set(edges))
    assert len(edges) <= bins + 1
    assert (edges[0], edges[-1]) == (min(together), max(together) + 1)
    assert is_geometric(edges) == (max(together) >= 4 * min(together))
    for of in values.values():
        assert np.histogram(of, edges)[0].sum() == len(of)


def many(classes, count=20_000):
    random = np.random.default_rng(0)
    rows = {
        "label": random.integers(0, classes, count),
        "format": ["jpeg"] * count,
        "width": random.integers(8, 2000, count).astype(np.int32),
        "height": random.integers(8, 2000, count).astype(np.int32),
        "num_bytes": random.integers(100, 10**7, count),
    }
    return describe({"train": pa.table(rows), "eval": pa.table(rows).slice(0, 500)}, classes)


@pytest.mark.parametrize("classes", [2, 30, 31, 1000])
def test_charts_hold_every_count_and_stay_small(classes):
    images = many(classes)
    specs = data_charts.specs(images, [f"class {index}" for index in range(classes)])
    assert set(specs) == {"data-sides", "data-sizes", "data-labels"}
    assert sum(len(json.dumps(spec)) for spec in specs.values()) < 100_000
    for name in ("data-sides", "data-sizes"):
        *bins, end = specs[name]["datasets"]["bins"]
        assert len(bins) <= BINS
        assert sum(each["train"] for each in bins) == 20_000
        assert sum(each["eval"] for each in bins) == 500
        assert end["at"] == bins[-1]["end"]
    rows = specs["data-labels"]["datasets"]
    if classes <= data_charts.NAMED_CLASSES:
        counts = {(row["c"], row["split"]): row["n"] for row in rows["labels"]}
        assert counts[1, "eval"] == images.splits[1].labels[1]
        return
    ranked = rows["bins"][:-1]
    assert sorted(row["c"] for row in ranked) == list(range(classes))
    assert [row["train"] for row in ranked] == sorted(images.splits[0].labels, reverse=True)
    assert all(row["eval"] == images.splits[1].labels[row["c"]] for row in ranked)
