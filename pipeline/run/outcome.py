"""What a finished run came to, read from the lineage and TFMA's result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata
from tfx.types import Artifact
from tfx.types.artifact_utils import deserialize_artifact

from components.evaluator.results import read_gates, read_metrics, summarise
from components.example_gen.counts import as_values, counts_of, total
from components.lineage.artifacts import DAMAGED, warnings_of
from components.report.executor import PAGE
from components.storage import as_path


def read_outcome(outputs: dict[str, Artifact], class_names: tuple[str, ...]) -> dict[str, Any]:
    """Counts, metrics, verdict, warnings and what was pushed, named as in `pipeline.run.summary`.

    Args:
      outputs: of a run (`read_outputs`); what its steps did not come to is left out.
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
        failed = [gate.sentence for gate in read_gates(evaluation) if not gate.passed]
        outcome |= {
            "metrics": summarise(read_metrics(evaluation), class_names),
            "baseline_metrics": summarise(read_metrics(evaluation, baseline=True), class_names),
            "blessed": is_blessed(outputs),
            "reasons": failed,
        }
    if pushed := outputs.get("Pusher.pushed_model"):
        was_pushed = pushed.get_int_custom_property("pushed") == 1
        destination = pushed.get_string_custom_property("pushed_destination")
        outcome["pushed"] = destination if was_pushed else None
    return outcome


def is_blessed(outputs: Mapping[str, Artifact]) -> bool:
    """The verdict of a run whose Evaluator is done."""
    return outputs["Evaluator.blessing"].get_int_custom_property("blessed") == 1


def read_page(outputs: Mapping[str, Artifact]) -> str:
    """The report of a run whose Report step is done, as HTML."""
    return (as_path(outputs["Report.report"].uri) / PAGE).read_text(encoding="utf-8")


def read_outputs(
    connection: metadata_store_pb2.ConnectionConfig, run_id: str
) -> dict[str, Artifact]:
    """The artifacts of one run by `<node>.<output>`; of a step that did not finish there are none.

    Args:
      connection: the metadata store.
      run_id: the run; one that never reached its first step has no artifacts.
    """
    with metadata.Metadata(connection) as handle:
        store = handle.store
        run = store.get_context_by_type_and_name("pipeline_run", run_id)
        if run is None:
            return {}
        kinds = {kind.id: kind.name for kind in store.get_context_types()}
        types = {kind.id: kind for kind in store.get_artifact_types()}
        outputs: dict[str, Artifact] = {}
        for execution in store.get_executions_by_context(run.id):
            contexts = store.get_contexts_by_execution(execution.id)
            node = next(c.name for c in contexts if kinds[c.type_id] == "node").rpartition(".")[2]
            events = store.get_events_by_execution_ids([execution.id])
            names = {event.artifact_id: _output_of(event) for event in events}
            for artifact in store.get_artifacts_by_id([i for i, name in names.items() if name]):
                outputs[f"{node}.{names[artifact.id]}"] = deserialize_artifact(
                    types[artifact.type_id], artifact
                )
    return outputs


def _output_of(event: metadata_store_pb2.Event) -> str:
    """The output that an event gives; of a Resolver only what it found damaged, else ""."""
    keys = [step.key for step in event.path.steps if step.HasField("key")]
    if event.type == metadata_store_pb2.Event.OUTPUT:
        return keys[0]
    resolved = event.type == metadata_store_pb2.Event.INTERNAL_OUTPUT
    return DAMAGED if resolved and DAMAGED in keys else ""
