"""Checks the data against the limits, and stops the run where one is exceeded.

TFX calls it with the artifacts of the step `DataGate`:

    from components.data_gate.executor import Executor

    inputs = {name: [artifact] for name, artifact in artifacts.items()}
    Executor().Do(inputs, {"checks": [checks]}, {"settings": settings.model_dump_json()})
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tfx.types import artifact_utils

from components.data_gate import checks as policy
from components.data_gate.checks import TRAIN, Check, Compared
from components.data_gate.config import DataGateSettings
from components.data_gate.coverage import ORDER_KEY, missing_classes, ordered_slices
from components.data_gate.duplicates import duplicates, images_of, near_duplicates
from components.data_gate.looks import looks, looks_of_splits
from components.data_gate.validation import (
    found_by_comparators,
    found_by_validator,
    read_schema,
    read_statistics,
)
from components.digests import digest_of_classes
from components.errors import UserError
from components.example_gen.counts import counts_of
from components.example_gen.index import read_index
from components.executor import Artifacts, SettingsExecutor
from components.lineage.passed_span import (
    CLASSES_PROPERTY,
    PASSED_PROPERTY,
    SPAN_PROPERTY,
    STATISTICS_PROPERTY,
)
from components.progress import report
from components.transform.config import hex_of

_logger = logging.getLogger(__name__)
_SUBJECTS = 4
"""Most subjects of a check that is only reported that are named beside the step."""

ClassCounts = dict[str, NDArray[np.int64]]


class Executor(SettingsExecutor[DataGateSettings]):
    """Looks at what the steps before it found, never at an image."""

    SETTINGS = DataGateSettings

    def run(self, inputs: Artifacts, outputs: Artifacts, settings: DataGateSettings) -> None:
        """Fills `checks`.

        Raises:
          UserError: a check that stops a run was not passed; the error lists all of them.
        """
        splits = artifact_utils.decode_split_names(inputs["examples"].split_names)
        tables = {split: read_index(inputs["index"].uri, split) for split in splits}
        images = images_of(tables)
        counts = {
            split: np.bincount(found.labels, minlength=len(settings.class_names))
            for split, found in images.items()
        }
        config, slices = settings.data_gate, settings.slices
        labels = {split: found.labels for split, found in images.items()}
        made = [
            *policy.rejects(
                counts_of(inputs["examples"]), config.max_reject_fraction, inputs["quarantine"].uri
            ),
            *_tfdv(settings, inputs, splits),
            *missing_classes(
                labels, settings.split, slices, settings.class_names, config.missing_classes
            ),
            ordered_slices(labels, slices, settings.class_names),
            *_classes(settings, inputs, counts),
            *duplicates(images, settings.class_names, config.duplicates),
            *near_duplicates(images, config.near_distance, config.near_duplicates),
            *looks(
                looks_of_splits(tables, hex_of(settings.background)),
                settings.class_names,
                config.looks,
            ),
        ]
        _tell(made)
        refusal = policy.refusal(made)
        if refusal:
            raise UserError(refusal)
        _keep(made, counts, settings, inputs, outputs["checks"])


def _tfdv(settings: DataGateSettings, inputs: Artifacts, splits: list[str]) -> Iterator[Check]:
    """ExampleValidator's anomalies, and those in comparison with other data."""
    statistics = inputs["statistics"].uri
    previous = inputs.get("previous_statistics")
    found = [
        anomaly
        for split in splits
        for anomaly in found_by_validator(inputs["anomalies"].uri, split)
    ]
    found += found_by_comparators(
        read_statistics(statistics, TRAIN),
        read_schema(inputs["schema"].uri),
        read_statistics(previous.uri, TRAIN) if previous else None,
        read_statistics(statistics, settings.split),
        settings.split,
    )
    return policy.anomalies(found, splits, settings.data_gate.anomalies)


def _classes(settings: DataGateSettings, inputs: Artifacts, counts: ClassCounts) -> Iterator[Check]:
    """How the images spread over the classes."""
    config, names, judged = settings.data_gate, settings.class_names, settings.split
    yield from policy.imbalance(counts[TRAIN], names, config.max_imbalance)
    passed = inputs.get("previous_checks")
    drift = Compared(
        "data_gate.max_label_drift",
        "train split of the last data that passed",
        policy.read_class_counts(passed.uri, TRAIN, names) if passed else None,
    )
    yield from policy.label_shift(counts[TRAIN], drift, names, config.max_label_drift)
    skew = Compared("data_gate.max_label_skew", f"{judged} split", counts[judged])
    yield from policy.label_shift(counts[TRAIN], skew, names, config.max_label_skew)


def _tell(made: list[Check]) -> None:
    """Logs every check; what is only reported shows beside the step too."""
    found: dict[str, list[str]] = defaultdict(list)
    for check in made:
        if check.key == ORDER_KEY and not check.passed:
            # A line of its own, which stays on the terminal.
            report(check.sentence, event="note", text=check.sentence)
            continue
        level = logging.INFO if check.passed else logging.WARNING
        _logger.log(level, "%s", check.sentence)
        if not check.passed and not check.stops:
            found[check.key.rpartition(".")[2]].append(check.subject)
    if found:
        listed = (f"{key} ({_few(list(dict.fromkeys(of_key)))})" for key, of_key in found.items())
        text = f"reported, and not stopped: {', '.join(listed)}"
        report(text, event="finding", text=text)


def _few(subjects: list[str]) -> str:
    more = len(subjects) - _SUBJECTS
    return "; ".join(subjects[:_SUBJECTS]) + (f"; and {more:,} more" if more > 0 else "")


def _keep(
    made: list[Check],
    counts: ClassCounts,
    settings: DataGateSettings,
    inputs: Artifacts,
    artifact: Any,
) -> None:
    """Writes the artifact that records that these data passed."""
    by_name = {
        split: dict(zip(settings.class_names, of_split.tolist(), strict=True))
        for split, of_split in counts.items()
    }
    policy.write_checks(made, by_name, os.fspath(artifact.uri))
    artifact.set_int_custom_property(PASSED_PROPERTY, 1)
    artifact.set_int_custom_property(SPAN_PROPERTY, settings.span)
    artifact.set_int_custom_property(STATISTICS_PROPERTY, inputs["statistics"].id)
    artifact.set_string_custom_property(CLASSES_PROPERTY, digest_of_classes(settings.class_names))
