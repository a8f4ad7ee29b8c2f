"""Has a model asked by a process of its own, and judges what was found.

TFX calls it with the artifacts of the step `ModelCheck`:

    from components.model_check.executor import Executor

    inputs = {"examples": [examples], "model": [model], "evaluation": [evaluation]}
    inputs["model_blessing"] = [model_blessing]
    Executor().Do(inputs, {"blessing": [blessing]}, {"settings": settings.model_dump_json()})
"""

from __future__ import annotations

import logging
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from tfx.components.util import model_utils
from tfx.utils import path_utils

from components.evaluator.prediction_table import example_key, read_predictions
from components.evaluator.results import write_gates
from components.executor import Artifacts, SettingsExecutor
from components.model_check import inquiry
from components.model_check.config import ModelCheckSettings
from components.model_check.findings import (
    FINDINGS,
    WARM_UP,
    Check,
    Findings,
    gates,
    read_findings,
    write_findings,
)
from components.model_check.job import Expected, Job
from components.model_check.queries import BATCHES, every_format, write_arrays
from components.model_check.warm_up import warm_up_requests
from components.process import exit_code, start
from components.storage import as_path, on_disk, split_folder

_logger = logging.getLogger(__name__)

_TIMEOUT_S = 1_800


class Executor(SettingsExecutor[ModelCheckSettings]):
    """What TFX's InfraValidator is for, without a container engine."""

    SETTINGS = ModelCheckSettings

    def run(self, inputs: Artifacts, outputs: Artifacts, settings: ModelCheckSettings) -> None:
        """Fills `blessing`: the findings, the warm-up requests, and whether the model passed.

        A model that the Evaluator rejected is not asked.
        """
        blessing = outputs["blessing"]
        folder = as_path(blessing.uri)
        folder.mkdir(parents=True, exist_ok=True)
        if not model_utils.is_model_blessed(inputs["model_blessing"]):
            blessing.set_int_custom_property("blessed", 0)
            _logger.info("the Evaluator rejected the model: it is not asked")
            return
        findings = self._ask(inputs, settings)
        write_findings(findings, folder / FINDINGS)
        judged = gates(findings, settings.serving)
        write_gates(judged, blessing.uri)
        failed = [gate for gate in judged if not gate.passed]
        for gate in failed:
            _logger.warning("%s: %s", gate.key, gate.sentence)
        blessing.set_int_custom_property("blessed", int(not failed))
        if not failed:
            with tf.io.TFRecordWriter(str(folder / WARM_UP)) as writer:
                for log in warm_up_requests(settings.pipeline, settings.side):
                    writer.write(log.SerializeToString())

    def _ask(self, inputs: Artifacts, settings: ModelCheckSettings) -> Findings:
        records = list(_records(inputs["examples"].uri, settings.split))
        rows = {row["example"]: row for row in _rows(inputs["evaluation"].uri)}
        known = [record for record in records if example_key(record) in rows]
        known = known[: max(BATCHES)]
        if not known:
            sentence = f"the Evaluator stored no predictions of the {settings.split} split"
            return Findings((Check("predictions", False, sentence),))
        job = Job(
            class_names=settings.class_names,
            side=settings.side,
            split=settings.split,
            min_confidence=settings.serving.min_confidence,
            expected=tuple(_expected(rows[example_key(record)]) for record in known),
        )
        example = tf.train.Example.FromString(known[0])
        image = example.features.feature["image"].bytes_list.value[0]
        served = as_path(path_utils.serving_model_path(inputs["model"].uri))
        # What is measured is loading, not downloading.
        with tempfile.TemporaryDirectory() as name, on_disk(served) as model:
            scratch = Path(name)
            (scratch / "job.json").write_text(job.model_dump_json(), encoding="utf-8")
            write_arrays(scratch / "queries.npz", known, list(every_format(image)))
            return _inquire(str(model), scratch)


def _inquire(model: str, scratch: Path) -> Findings:
    """Runs the process; that it dies is a finding too."""
    found = scratch / FINDINGS
    arguments = (model, str(scratch / "job.json"), str(scratch / "queries.npz"), str(found))
    with (scratch / "log").open("w+b") as log:
        process = start(
            inquiry.__name__,
            *arguments,
            environment=os.environ,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        code = exit_code(process, _TIMEOUT_S)
        if code is None:
            sentence = f"the model was asked for {_TIMEOUT_S} s and did not end"
            return Findings((Check("load", False, sentence),))
        log.seek(0)
        said = log.read().decode("utf-8", "replace")
    if code == 0 and found.exists():
        return read_findings(found)
    _logger.error("%s", said[-4_000:])
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    more = ", as it does where memory is short" if code == -9 else ""
    sentence = f"the process that loads and asks the model ended with {how}{more}"
    return Findings((Check("load", False, sentence),))


def _records(examples: str, split: str) -> Iterator[bytes]:
    """The first records of a split, twice as many as are asked for: some may be unknown."""
    files = sorted(map(str, split_folder(examples, split).iterdir()))
    dataset = tf.data.TFRecordDataset(files, "GZIP").take(2 * max(BATCHES))
    yield from dataset.as_numpy_iterator()


def _rows(evaluation: str) -> Iterator[dict[str, Any]]:
    """The Evaluator's predictions that have an answer."""
    columns = ["example", "label", "label_probability", "top_classes", "top_probabilities"]
    for row in read_predictions(evaluation).select(columns).to_pylist():
        if row["top_classes"]:
            yield row


def _expected(row: dict[str, Any]) -> Expected:
    return Expected(**{name: value for name, value in row.items() if name != "example"})
