"""What ModelCheck found: checks that a model passed or failed, and what it measured.

The process that asks the model writes it, the executor judges it, the report and the card show it.

>>> import tempfile
>>> from pathlib import Path
>>> findings = Findings(checks=(Check("load", True, "it loads"),), load_s=1.25, memory_mb=612.0)
>>> with tempfile.TemporaryDirectory() as folder:
...     write_findings(findings, Path(folder, FINDINGS))
...     read_findings(Path(folder, FINDINGS)) == findings
True
>>> config = ServingConfig(max_memory_mb=512)
>>> print([gate.sentence for gate in gates(findings, config) if not gate.passed][0])
the memory of the model's process, 612 MB, exceeds serving.max_memory_mb 512
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from components.evaluator.gates import Gate
from components.evaluator.results import read_gates
from components.finite import read_json, write_json
from components.model_check.config import ServingConfig
from components.storage import AnyPath, as_path

FINDINGS = "model_check.json"
WARM_UP = "tf_serving_warmup_requests"
"""Files of the artifact."""


@dataclass(frozen=True)
class Check:
    """One thing that a served model must do.

    Attributes:
      name: load, signatures, labels, answers, latency, batches, predictions, formats, bad_image or
        empty.
      passed: whether it does.
      sentence: what was found.
    """

    name: str
    passed: bool
    sentence: str


@dataclass(frozen=True)
class Findings:
    """What was found about a model; what could not be measured is None.

    Attributes:
      checks: in the order in which they were made; a model that does not load has one.
      load_s: seconds from the file to the signatures.
      memory_mb: the most memory of the process, TensorFlow's included.
      p50_ms: median time of `predict_image` for one image.
      p99_ms: its 99th percentile.
      images_per_s: in the largest batch that was asked.
      images: of the evaluation split that were asked.
    """

    checks: tuple[Check, ...]
    load_s: float | None = None
    memory_mb: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    images_per_s: float | None = None
    images: int = 0


def write_findings(findings: Findings, path: AnyPath) -> None:
    """Writes the findings as JSON."""
    write_json(path, asdict(findings))


def read_findings(path: AnyPath) -> Findings:
    """Reads what `write_findings` wrote."""
    values: dict[str, Any] = dict(read_json(path))
    checks = tuple(Check(**check) for check in values.pop("checks"))
    return Findings(checks, **values)


def measured(folder: str) -> dict[str, float]:
    """What was measured, by name (`load_s`, `memory_mb`, ...); {} where nobody asked the model.

    Args:
      folder: of the step's artifact.
    """
    path = as_path(folder) / FINDINGS
    if not path.exists():
        return {}
    values = asdict(read_findings(path))
    return {name: value for name, value in values.items() if name != "checks" and value is not None}


def read_check_gates(folder: str) -> list[Gate]:
    """The gates as they were judged; [] where nobody asked the model, which was rejected before."""
    return read_gates(folder) if (as_path(folder) / FINDINGS).exists() else []


def gates(findings: Findings, config: ServingConfig) -> list[Gate]:
    """Every check as a gate, and the limits that are configured."""
    found = [
        Gate(f"model_check.{each.name}", each.name, each.passed, None, None, None, each.sentence)
        for each in findings.checks
    ]
    return found + list(_limits(findings, config))


def _limits(findings: Findings, config: ServingConfig) -> Iterator[Gate]:
    for key, subject, value, limit, unit in (
        (
            "serving.max_latency_ms",
            "the time for one image (99th percentile)",
            findings.p99_ms,
            config.max_latency_ms,
            "ms",
        ),
        (
            "serving.max_memory_mb",
            "the memory of the model's process",
            findings.memory_mb,
            config.max_memory_mb,
            "MB",
        ),
    ):
        if limit is None:
            continue
        if value is None:
            sentence = f"{subject} could not be measured, which {key} needs"
            yield Gate(key, subject, False, None, limit, None, sentence)
            continue
        passed = value <= limit
        verb = "keeps to" if passed else "exceeds"
        sentence = f"{subject}, {value:.4g} {unit}, {verb} {key} {limit:g}"
        yield Gate(key, subject, passed, value, limit, None, sentence)
