"""Reads what a run's artifacts record about the data into the content of its report.

>>> from tfx.types.standard_artifacts import Examples
>>> from components.example_gen.counts import SplitCounts, set_counts
>>> examples = Examples()
>>> set_counts(examples, {"train": SplitCounts(5, 4, {"empty": 1})})
>>> data_parts({"ImageExampleGen.examples": examples}, num_classes=2)
{'counts': {'train': SplitCounts(read=5, kept=4, rejected={'empty': 1})}}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from components.data_gate.checks import read_checks
from components.data_gate.validation import found_by_validator, read_statistics
from components.example_gen.counts import counts_of
from components.example_gen.index import read_index
from components.lineage.outputs import splits_of
from components.pictures.grid import smaller
from components.pictures.settings import AFTER, BEFORE
from components.report.content import FeatureRow, Images
from components.report.images import COLUMNS, describe
from components.storage import as_path

_FORMATS = "image_format_histogram"
"""TFDV's name."""


def data_parts(artifacts: Mapping[str, Any], num_classes: int) -> dict[str, Any]:
    """Parts of `components.report.content.Report`; parts without an artifact are left out.

    Args:
      artifacts: as `components.report.collect.collect` takes them.
      num_classes: labels are below it.
    """
    found: dict[str, Any] = {}
    if examples := artifacts.get("ImageExampleGen.examples"):
        found["counts"] = counts_of(examples)
        if index := artifacts.get("ImageExampleGen.index"):
            found["images"] = _images(index.uri, splits_of(examples), num_classes)
    if pictures := artifacts.get("Pictures.pictures"):
        folder = as_path(pictures.uri)
        found["stored_images"] = smaller((folder / BEFORE).read_bytes())
        found["trained_images"] = smaller((folder / AFTER).read_bytes())
    if checks := artifacts.get("DataGate.checks"):
        found["checks"] = tuple(read_checks(checks.uri))
    if statistics := artifacts.get("StatisticsGen.statistics"):
        found["statistics"] = tuple(
            row for split in splits_of(statistics) for row in _feature_rows(statistics.uri, split)
        )
    if anomalies := artifacts.get("ExampleValidator.anomalies"):
        found["anomalies"] = tuple(
            sentence
            for split in splits_of(anomalies)
            for sentence in _anomalies(anomalies.uri, split)
        )
    return found


def _images(uri: str, splits: list[str], num_classes: int) -> Images | None:
    # Charts are ordered by the first of them.
    ordered = sorted(splits, key=lambda split: split != "train")
    # These columns alone: the index may be of a million images.
    tables = {split: read_index(uri, split).select(list(COLUMNS)) for split in ordered}
    return describe(tables, num_classes)


def _feature_rows(uri: str, split: str) -> Iterator[FeatureRow]:
    for dataset in read_statistics(uri, split).datasets:
        for feature in dataset.features:
            common = feature.num_stats.common_stats or feature.string_stats.common_stats
            details: dict[str, str] = {}
            for kind in ("num_stats", "string_stats", "bytes_stats"):
                if feature.HasField(kind):
                    stats = getattr(feature, kind)
                    common = stats.common_stats
                    details = _details(kind, stats)
            details |= _formats(feature)
            yield FeatureRow(
                split=split,
                name=feature.name or ".".join(feature.path.step),
                kind=type(feature).Type.Name(feature.type).lower(),
                count=common.num_non_missing,
                missing=common.num_missing,
                details=details,
            )


def _details(kind: str, stats: Any) -> dict[str, str]:
    if kind == "num_stats":
        return {
            "mean": f"{stats.mean:.4g}",
            "min": f"{stats.min:.4g}",
            "max": f"{stats.max:.4g}",
            "zeros": str(stats.num_zeros),
        }
    if kind == "bytes_stats":
        return {
            "mean bytes": f"{stats.avg_num_bytes:,.0f}",
            "min bytes": f"{stats.min_num_bytes:,.0f}",
            "max bytes": f"{stats.max_num_bytes:,.0f}",
        }
    return {"mean length": f"{stats.avg_length:,.0f}", "unique": f"{stats.unique:,}"}


def _formats(feature: Any) -> dict[str, str]:
    """The formats that TFDV finds by the first bytes of images, if there are a hundred or more."""
    found = (stats for stats in feature.custom_stats if stats.name == _FORMATS)
    buckets = [bucket for stats in found for bucket in stats.rank_histogram.buckets]
    shown = ", ".join(f"{bucket.label} {bucket.sample_count:,.0f}" for bucket in buckets)
    return {"formats": shown} if shown else {}


def _anomalies(uri: str, split: str) -> Iterator[str]:
    for found in found_by_validator(uri, split):
        yield ": ".join(filter(None, [split, found.feature, found.short, found.description]))
