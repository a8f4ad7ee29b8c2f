"""Reads what the steps before the push left of a model."""

from __future__ import annotations

import json
from typing import Any

from components.evaluator.results import read_findings, read_gates
from components.example_gen.counts import counts_of
from components.pusher.card import Evidence
from components.storage import as_path

_HISTORY, _TRAINED = "history.json", "hyperparameters.json"


def read_evidence(examples: Any, model_run: str, evaluation: str) -> Evidence:
    """Reads them for the card.

    Args:
      examples: the Examples artifact.
      model_run: folder of the ModelRun artifact.
      evaluation: folder of the ModelEvaluation artifact.
    """
    run = as_path(model_run)
    trained = run / _TRAINED
    findings = read_findings(evaluation)
    return Evidence(
        counts={split: counts.kept for split, counts in counts_of(examples).items()},
        history=json.loads((run / _HISTORY).read_text(encoding="utf-8")),
        trained=json.loads(trained.read_text(encoding="utf-8")) if trained.exists() else {},
        metrics=findings.candidate,
        baseline=findings.baseline,
        gates=read_gates(evaluation),
        clipped=findings.clipped,
    )
