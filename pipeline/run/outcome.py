"""The outcome of a finished run, read from the lineage and TFMA's result.

>>> from tfx.types.standard_artifacts import ModelBlessing
>>> blessing = ModelBlessing()
>>> blessing.set_int_custom_property("blessed", 1)
>>> is_blessed({"Evaluator.blessing": blessing})
True
>>> read_outcome({}, class_names=())  # No step is done.
{'warnings': []}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.evaluator.results import read_gates, read_metrics, summarise
from components.example_gen.counts import as_values, counts_of, total
from components.lineage.artifacts import warnings_of
from components.lineage.served import NOT_PUSHED
from components.model_check.findings import measured, read_check_gates
from components.report.settings import PAGE
from components.storage import as_path


def read_outcome(outputs: Mapping[str, Any], class_names: tuple[str, ...]) -> dict[str, Any]:
    """Counts, metrics, verdict, warnings and what was pushed, named as in `pipeline.run.summary`.

    Args:
      outputs: of a run (`components.lineage.outputs`); what its steps did not make is left out.
      class_names: names by class index.
    """
    outcome: dict[str, Any] = {"warnings": warnings_of(outputs)}
    if examples := outputs.get("ImageExampleGen.examples"):
        counts = counts_of(examples)
        everything = total(counts.values())
        outcome["span"] = examples.span
        outcome["counts"] = {
            "read": everything.read,
            "rejected": everything.rejected,
            **{split: of_split.kept for split, of_split in counts.items()},
            "splits": as_values(counts),
        }
        if everything.num_rejected:
            outcome["quarantine"] = outputs["ImageExampleGen.quarantine"].uri
    if "Evaluator.evaluation" in outputs:
        evaluation = outputs["Evaluator.evaluation"].uri
        check = outputs.get("ModelCheck.blessing")
        gates = read_gates(evaluation) + (read_check_gates(check.uri) if check else [])
        outcome |= {
            "metrics": summarise(read_metrics(evaluation), class_names),
            "baseline_metrics": summarise(read_metrics(evaluation, baseline=True), class_names),
            # Without ModelCheck the run broke off, and has another end.
            "blessed": is_blessed(outputs)
            and (check is None or check.get_int_custom_property("blessed") == 1),
            "reasons": [gate.sentence for gate in gates if not gate.passed],
            "model_check": measured(check.uri) if check else {},
        }
    if pushed := outputs.get("Pusher.pushed_model"):
        was_pushed = pushed.get_int_custom_property("pushed") == 1
        destination = pushed.get_string_custom_property("pushed_destination")
        outcome["pushed"] = destination if was_pushed else None
        outcome["not_pushed"] = pushed.get_string_custom_property(NOT_PUSHED) or None
    return outcome


def is_blessed(outputs: Mapping[str, Any]) -> bool:
    """The Evaluator's verdict of a run in which it is done."""
    return outputs["Evaluator.blessing"].get_int_custom_property("blessed") == 1


def read_page(outputs: Mapping[str, Any]) -> str:
    """The report of a run whose Report step is done, as HTML."""
    return (as_path(outputs["Report.report"].uri) / PAGE).read_text(encoding="utf-8")
