"""What TFDV finds in the data, in its words.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as uri:
...     folder = split_folder(uri, "train")
...     folder.mkdir()
...     found = anomalies_pb2.Anomalies(data_missing=True).SerializeToString()
...     _ = (folder / "SchemaDiff.pb").write_bytes(found)
...     [anomaly.short for anomaly in found_by_validator(uri, "train")]
['Data missing']
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components.data_gate.checks import TRAIN, Anomaly
from components.statistics_gen.files import statistics_file
from components.storage import as_path, split_folder

_COMPARATOR = "COMPARATOR_"
"""Prefix of the types of anomalies that need other data to compare with."""


def read_statistics(uri: str, split: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    """The statistics of a split from an ExampleStatistics artifact."""
    path = statistics_file(uri, split)
    return statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())


def read_schema(uri: str) -> schema_pb2.Schema:
    """The schema from a Schema artifact."""
    text = as_path(os.path.join(uri, "schema.pbtxt")).read_text(encoding="utf-8")
    return text_format.Parse(text, schema_pb2.Schema())


def found_by_validator(uri: str, split: str) -> Iterator[Anomaly]:
    """The anomalies of a split from an ExampleAnomalies artifact."""
    path = split_folder(uri, split) / "SchemaDiff.pb"
    found = anomalies_pb2.Anomalies.FromString(path.read_bytes())
    if found.data_missing:
        yield Anomaly(split, "", "Data missing", "The statistics hold no example.")
    yield from _told(found, split)


def found_by_comparators(
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    schema: schema_pb2.Schema,
    previous: statistics_pb2.DatasetFeatureStatisticsList | None,
    judged: statistics_pb2.DatasetFeatureStatisticsList,
    judged_split: str,
) -> Iterator[Anomaly]:
    """Drift and skew of the train split by the comparators of the schema.

    Args:
      statistics: of the train split.
      schema: with or without comparators.
      previous: of the train split of the last data that passed; None where there are none.
      judged: of the split that models are judged on; TFDV calls it serving.
      judged_split: its name.
    """
    # Imported here: the report reads what TFDV found without loading it and TensorFlow.
    import tensorflow_data_validation as tfdv

    found = tfdv.validate_statistics(
        statistics, schema, previous_statistics=previous, serving_statistics=judged
    )
    note = f"previous: the last data that passed; serving: the {judged_split} split"
    for anomaly, kind in _reasons(found, TRAIN):
        # All other types are ExampleValidator's, which has reported them.
        if kind.startswith(_COMPARATOR):
            yield anomaly._replace(note=note)
    for kind, control in (("drift_comparator", previous), ("skew_comparator", judged)):
        if control is not None:
            yield from _not_measured(found, schema, kind, statistics, control)


def _told(found: anomalies_pb2.Anomalies, split: str) -> Iterator[Anomaly]:
    return (anomaly for anomaly, _ in _reasons(found, split))


def _reasons(found: anomalies_pb2.Anomalies, split: str) -> Iterator[tuple[Anomaly, str]]:
    """Each reason of each anomaly, with the name of its type."""
    infos = sorted(found.anomaly_info.items())
    if found.HasField("dataset_anomaly_info"):
        infos.append(("", found.dataset_anomaly_info))
    for feature, info in infos:
        warning = info.severity == anomalies_pb2.AnomalyInfo.WARNING
        for reason in info.reason:
            anomaly = Anomaly(
                split, feature, reason.short_description, reason.description, warning=warning
            )
            yield anomaly, anomalies_pb2.AnomalyInfo.Type.Name(reason.type)


def _not_measured(
    found: anomalies_pb2.Anomalies,
    schema: schema_pb2.Schema,
    kind: str,
    *statistics: statistics_pb2.DatasetFeatureStatisticsList,
) -> Iterator[Anomaly]:
    """Comparators that TFDV skips silently, as if there were no difference.

    Values without a histogram are equal to it, and it measures no divergence of features that are
    neither text nor numbers.
    """
    for feature in schema.feature:
        compared = [_feature(of_data, feature.name) for of_data in statistics]
        # A feature that is missing altogether is an anomaly of its own.
        if not all(compared):
            continue
        for field, norm in getattr(feature, kind).ListFields():
            needs = (
                "needs a histogram of values, which the statistics have of text and of categorical "
                "integers alone: give it int_domain {is_categorical: true}"
            )
            measured = all(stats.string_stats.rank_histogram.buckets for stats in compared)
            if field.name == "jensen_shannon_divergence":
                needs = "is for numbers and text"
                measured = feature.name in _diverging(found, kind)
            if norm.HasField("threshold") and not measured:
                says = f"{kind}.{field.name} {needs}"
                yield Anomaly(TRAIN, feature.name, "Not compared", says)


def _diverging(found: anomalies_pb2.Anomalies, kind: str) -> set[str]:
    """Features whose divergence TFDV measured."""
    measurements = kind.replace("comparator", "measurements")
    divergence = anomalies_pb2.DriftSkewInfo.Measurement.JENSEN_SHANNON_DIVERGENCE
    return {
        ".".join(info.path.step)
        for info in found.drift_skew_info
        if any(measured.type == divergence for measured in getattr(info, measurements))
    }


def _feature(statistics: statistics_pb2.DatasetFeatureStatisticsList, name: str) -> Any:
    """The statistics of a feature; None where it is not there."""
    for feature in statistics.datasets[0].features:
        if (feature.name or ".".join(feature.path.step)) == name:
            return feature
    return None
