"""What a finished run came to, read from the lineage and TFMA's result."""

from __future__ import annotations

from typing import Any

import tensorflow_model_analysis as tfma
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

from components.evaluator.config import EvaluationConfig
from components.evaluator.eval_config import ACCURACY, LABEL
from components.evaluator.gates import judge

_CANDIDATE, _BASELINE = "candidate", "baseline"


def read_outcome(
    connection: metadata_store_pb2.ConnectionConfig,
    run_id: str,
    config: EvaluationConfig,
    class_names: tuple[str, ...],
) -> dict[str, Any]:
    """Counts, metrics, verdict, reasons and what was pushed, named as in `pipeline.summary`.

    Args:
      connection: the metadata store.
      run_id: the run, all of whose steps are complete.
      config: the gates.
      class_names: names by class index.
    """
    outputs = _outputs(connection, run_id)
    examples = outputs["TfdsExampleGen"]["examples"]
    counts = {
        split: examples.custom_properties[f"num_examples_{split}"].int_value
        for split in ("train", "eval")
    }
    evaluation = outputs["Evaluator"]["evaluation"].uri
    blessed = outputs["Evaluator"]["blessing"].custom_properties["blessed"].int_value == 1
    metrics = read_metrics(evaluation, class_names)
    baseline_metrics = read_metrics(evaluation, class_names, baseline=True)
    pushed = outputs["Pusher"]["pushed_model"].custom_properties
    was_pushed = pushed["pushed"].int_value == 1
    return {
        "counts": {"read": sum(counts.values()), "rejected": {}, **counts},
        "metrics": metrics,
        "baseline_metrics": baseline_metrics,
        "blessed": blessed,
        "reasons": [] if blessed else _reasons(config, metrics, baseline_metrics),
        "pushed": pushed["pushed_destination"].string_value if was_pushed else None,
    }


def read_metrics(
    evaluation: str, class_names: tuple[str, ...], baseline: bool = False
) -> dict[str, Any]:
    """Overall metrics by name and `per_class` by class name; {} where there is no baseline.

    Args:
      evaluation: folder of the ModelEvaluation artifact.
      class_names: names by class index.
      baseline: the baseline's numbers and not the candidate's.
    """
    config = tfma.load_eval_result(evaluation).config
    compared = any(spec.is_baseline for spec in config.model_specs)
    if baseline and not compared:
        return {}
    name = (_BASELINE if baseline else _CANDIDATE) if compared else None
    by_slice = tfma.load_eval_result(evaluation, model_name=name).get_metrics_for_all_slices()
    metrics: dict[str, Any] = _numbers(by_slice.get((), {}))
    metrics["per_class"] = {
        class_names[int(key[0][1])]: _numbers(values)
        for key, values in sorted(by_slice.items(), key=str)
        if key and key[0][0] == LABEL
    }
    return metrics


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    return {
        name: float(value["doubleValue"])
        for name, value in values.items()
        if "doubleValue" in value
    }


def _reasons(
    config: EvaluationConfig, metrics: dict[str, Any], baseline_metrics: dict[str, Any]
) -> list[str]:
    gates = judge(config, metrics.get(ACCURACY), baseline_metrics.get(ACCURACY))
    failed = [gate.sentence for gate in gates if not gate.passed]
    return failed or ["TFMA did not bless the model; see the Evaluator's log"]


def _outputs(
    connection: metadata_store_pb2.ConnectionConfig, run_id: str
) -> dict[str, dict[str, Any]]:
    """Node id -> output name -> MLMD artifact, of one run."""
    with metadata.Metadata(connection) as handle:
        store = handle.store
        run = store.get_context_by_type_and_name("pipeline_run", run_id)
        outputs: dict[str, dict[str, Any]] = {}
        for execution in store.get_executions_by_context(run.id):
            contexts = store.get_contexts_by_execution(execution.id)
            types = {kind.id: kind.name for kind in store.get_context_types()}
            node = next(c.name for c in contexts if types[c.type_id] == "node")
            events = store.get_events_by_execution_ids([execution.id])
            outgoing = [event for event in events if event.type == metadata_store_pb2.Event.OUTPUT]
            artifacts = store.get_artifacts_by_id([event.artifact_id for event in outgoing])
            by_id = {artifact.id: artifact for artifact in artifacts}
            outputs[node.rpartition(".")[2]] = {
                event.path.steps[0].key: by_id[event.artifact_id] for event in outgoing
            }
    return outputs
