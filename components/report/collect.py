"""Reads a run's artifacts into the content of its report; what is not there is left out.

>>> settings = ReportSettings(
...     pipeline="flowers", run_id="20261130-101500-000000", split="eval",
...     class_names=("daisy", "rose"), config={}, sources=(), links={},
... )
>>> report = collect({}, settings, Failure("Trainer: out of memory"))
>>> report.verdict, report.reasons
('failed', ('Trainer: out of memory',))
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from components.evaluator.abstention import abstention
from components.evaluator.gates import OVERALL, Gate, Measured
from components.evaluator.prediction_table import read_predictions
from components.evaluator.results import ACCURACY, Metrics, read_findings, read_gates
from components.example_gen.index import read_index
from components.lineage.artifacts import warnings_of
from components.model_check.findings import measured, read_check_gates
from components.report.collect_data import data_parts
from components.report.content import (
    BLESSED,
    FAILED,
    REJECTED,
    CalibrationBin,
    Confusion,
    LineageRow,
    Number,
    Report,
    SliceRow,
    StepRow,
    Temperature,
)
from components.report.figures import (
    calibration,
    class_rows,
    confusion_cells,
    without_no_class,
)
from components.report.pictures import make_album
from components.report.settings import ReportSettings
from components.storage import split_folder
from components.trainer.model_run import read_history, read_hyperparameters
from components.transform.config import WHITE
from components.transform.features import LABEL

_BASELINE_ID, _BASELINE_URI = "baseline_model_id", "baseline_model"
"""TFX's names (tfx.components.evaluator.constants), without importing it."""


@dataclass(frozen=True)
class Failure:
    """A run that broke off."""

    reason: str
    steps: tuple[StepRow, ...] = field(default=())


def collect(
    artifacts: Mapping[str, Any], settings: ReportSettings, failure: Failure | None = None
) -> Report:
    """The content of the report.

    Args:
      artifacts: TFX's or `components.lineage.outputs`', by `<node>.<output>`:
        `ImageExampleGen.examples`, ...; the outputs of steps that did not run are absent.
      settings: what is in no artifact.
      failure: of a run that broke off; it comes first.
    """
    parts: dict[str, Any] = {}
    gates: list[Gate] = []
    evaluation = _uri(artifacts, "Evaluator.evaluation")
    if evaluation:
        gates = read_gates(evaluation)
        parts |= _evaluation(artifacts, evaluation, settings)
    if check := _uri(artifacts, "ModelCheck.blessing"):
        gates += read_check_gates(check)
        parts["model_check"] = measured(check)
    parts |= data_parts(artifacts, len(settings.class_names))
    if run := _uri(artifacts, "Trainer.model_run"):
        parts["history"] = tuple(read_history(run))
        parts["temperature"] = _temperature(read_hyperparameters(run).get("calibration"))
    failed = [gate.sentence for gate in gates if not gate.passed]
    verdict = FAILED if failure else (REJECTED if failed or not gates else BLESSED)
    return Report(
        pipeline=settings.pipeline,
        run_id=settings.run_id,
        finished=datetime.datetime.now().isoformat(timespec="seconds"),
        verdict=verdict,
        reasons=(failure.reason,) if failure else tuple(failed),
        warnings=tuple(warnings_of(artifacts)),
        gates=tuple(gates),
        split=settings.split,
        class_names=settings.class_names,
        config=settings.config,
        lineage=_lineage(artifacts, settings),
        steps=failure.steps if failure else (),
        links=settings.links,
        **parts,
    )


def _evaluation(
    artifacts: Mapping[str, Any], evaluation: str, settings: ReportSettings
) -> dict[str, Any]:
    findings = read_findings(evaluation)
    metrics, baseline = findings.candidate, findings.baseline
    table = read_predictions(evaluation)
    labels, predicted = table["label"].to_numpy(), table["predicted"].to_numpy()
    cells = confusion_cells(labels, predicted)
    bins, error = calibration(table["probability"].to_numpy(), labels == predicted)
    least = settings.config.get("serving", {}).get("min_confidence")
    album = make_album(
        table,
        _records(artifacts, settings.split),
        _records(artifacts, "train"),
        functools.partial(_sources, artifacts.get("ImageExampleGen.index"), settings.split),
        tuple(settings.config.get("preprocessing", {}).get("background", WHITE)),
    )
    before = {
        int(key[1]): value
        for key, values in baseline.items()
        if key[0] == LABEL and (value := values[ACCURACY].value) is not None
    }
    return {
        "metrics": {
            name: _number(value, baseline.get(OVERALL, {}).get(name))
            for name, value in metrics.get(OVERALL, {}).items()
        },
        "has_baseline": bool(baseline),
        "classes": class_rows(cells, settings.class_names, before),
        "slices": _slice_rows(metrics, baseline),
        "confusion": Confusion(without_no_class(cells), album.cells),
        "calibration": bins,
        "calibration_error": error,
        "abstention": None if least is None else abstention(table, least),
        "unanswered": findings.unanswered,
        "clipped": findings.clipped,
        "pictures": tuple(album.pictures),
        "samples": album.samples,
        "mistakes": album.mistakes,
    }


def _temperature(found: Mapping[str, Any] | None) -> Temperature | None:
    """Of what the Trainer recorded."""
    if found is None:
        return None
    return Temperature(
        value=found["temperature"],
        images=found["images"],
        error_before=found["error_before"],
        error=found["error"],
        # A training of an earlier version left no curve.
        before=tuple(CalibrationBin(**each) for each in found.get("before", ())),
    )


def _slice_rows(metrics: Metrics, baseline: Metrics) -> tuple[SliceRow, ...]:
    return tuple(
        SliceRow(
            name=f"{key[0]} = {key[1]}",
            count=values[ACCURACY].count,
            accuracy=_number(values[ACCURACY], baseline.get(key, {}).get(ACCURACY)),
        )
        for key, values in sorted(metrics.items())
        if key != OVERALL and key[0] != LABEL
    )


def _number(measured: Measured, baseline: Measured | None) -> Number:
    before = baseline.value if baseline else None
    return Number(measured.value, measured.lower, measured.upper, before)


def _lineage(artifacts: Mapping[str, Any], settings: ReportSettings) -> tuple[LineageRow, ...]:
    made = [
        LineageRow(artifact.type_name, name, artifact.uri, _identity(artifact))
        for name, artifact in artifacts.items()
    ]
    blessing = artifacts.get("Evaluator.blessing")
    if blessing and (baseline := blessing.get_int_custom_property(_BASELINE_ID)):
        uri = blessing.get_string_custom_property(_BASELINE_URI)
        made.append(LineageRow("Model", "baseline", uri, f"artifact {baseline}"))
    return (*(LineageRow(*source) for source in settings.sources), *made)


def _identity(artifact: Any) -> str:
    # 0 if it was never set; some types have none.
    span = getattr(artifact, "span", 0)
    return f"artifact {artifact.id}" + (f", span {span}" if span else "")


def _records(artifacts: Mapping[str, Any], split: str) -> Iterator[bytes]:
    examples = artifacts.get("ImageExampleGen.examples")
    if examples is None:
        return
    # Imported here: a run that broke off before its Evaluator has no image to show.
    import tensorflow as tf

    files = sorted(map(str, split_folder(examples.uri, split).iterdir()))
    yield from tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()


def _sources(index: Any, split: str, digests: set[bytes]) -> dict[bytes, str]:
    if index is None:
        return {}
    table = read_index(index.uri, split).select(["sha256", "source"])
    wanted = pa.array(sorted(digests), pa.binary(32))
    found = table.filter(pc.is_in(table["sha256"], value_set=wanted))
    return dict(zip(found["sha256"].to_pylist(), found["source"].to_pylist(), strict=True))


def _uri(artifacts: Mapping[str, Any], name: str) -> str:
    artifact = artifacts.get(name)
    return str(artifact.uri) if artifact is not None else ""
