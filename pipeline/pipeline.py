"""The pipeline: every step in the order in which the data flows.

`pipeline.run.compile` makes and compiles it:

    from pipeline.pipeline import create_pipeline
    from pipeline.run.compile import compiled

    pipeline = create_pipeline(
        inputs.config,
        inputs,
        span=1,
        pipeline_root="/out/artifacts",
        serving="/out/serving",
        checkpoints="/out/checkpoints",
        run_id="20261130-101500-000000",
        metadata=connection,
        beam_pipeline_args=[],
    )
    ir = compiled(pipeline, "20261130-101500-000000")
"""

from __future__ import annotations

from ml_metadata.proto import metadata_store_pb2
from tfx.components import (
    ExampleValidator,
    Trainer,
)
from tfx.orchestration.pipeline import Pipeline

from components.evaluator.component import GatedEvaluator
from components.example_gen.component import ImageExampleGen
from components.model_check.component import ModelCheck
from components.pusher.component import VersionedPusher
from pipeline import nodes, properties
from pipeline.card import card_settings
from pipeline.config import Config
from pipeline.inputs.resolve import Inputs


def create_pipeline(  # noqa: PLR0913, PLR0917  # Its callers name what they bind.
    config: Config,
    inputs: Inputs,
    span: int,
    pipeline_root: str,
    serving: str,
    checkpoints: str,
    run_id: str,
    metadata: metadata_store_pb2.ConnectionConfig,
    beam_pipeline_args: list[str],
    enable_cache: bool = True,
) -> Pipeline:
    """Data to pushed model, gated on validation accuracy.

    Args:
      config: the whole configuration.
      inputs: what `pipeline.inputs.resolve.resolve` found for it.
      span: of the examples (`pipeline.inputs.span.settle_span`).
      pipeline_root: where the steps write their artifacts.
      serving: where blessed models are pushed.
      checkpoints: from where a training that was broken off continues.
      run_id: names this run.
      metadata: the ML Metadata store.
      beam_pipeline_args: options of every step's Beam pipeline.
      enable_cache: whether a step whose inputs, properties and code are known is skipped.
    """
    example_gen = ImageExampleGen(
        config.data, inputs.source.fingerprint, span, inputs.code["ImageExampleGen"]
    )
    examples = example_gen.outputs["examples"]

    statistics_gen, schema_gen = nodes.statistics_and_schema(
        examples, inputs.schema, inputs.code["StatisticsGen"]
    )
    schema = schema_gen.outputs["schema"]
    example_validator = ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=schema
    )

    passed = nodes.passed_span(inputs, span)
    data_gate = nodes.data_gate(
        config,
        inputs,
        span,
        examples=examples,
        index=example_gen.outputs["index"],
        quarantine=example_gen.outputs["quarantine"],
        statistics=statistics_gen.outputs["statistics"],
        schema=schema,
        anomalies=example_validator.outputs["anomalies"],
        previous_statistics=passed.outputs["statistics"],
        previous_checks=passed.outputs["checks"],
    )

    transform = nodes.transform(config, inputs, examples, schema)
    transform.add_upstream_node(data_gate)
    transform_graph = transform.outputs["transform_graph"]

    pictures = nodes.pictures(config, inputs, examples, transform_graph)
    served = {"serving": serving, "adopted": f"{pipeline_root}/BaselineModel/adopted"}
    warm_start = nodes.warm_start(config, inputs, served)
    base_model = warm_start.outputs["model"] if warm_start else None
    tuner = nodes.tuner(config, inputs, examples, transform_graph, base_model)
    trainer = Trainer(
        examples=examples,
        transform_graph=transform_graph,
        base_model=base_model,
        hyperparameters=tuner.outputs["best_hyperparameters"] if tuner else None,
        run_fn="components.trainer.run_fn.run_fn",
        custom_config={
            "settings": properties.trainer_settings(config, inputs).model_dump_json(),
            "checkpoints": checkpoints,
            "code": inputs.code["Trainer"],
        },
    )
    model = trainer.outputs["model"]

    # After the training: another run may have pushed in the meantime.
    baseline = nodes.baseline(config, inputs, served, candidate=model)
    evaluator = GatedEvaluator(
        examples=examples,
        transform_graph=transform_graph,
        model=model,
        baseline_model=baseline.outputs["model"],
        settings=properties.evaluator_settings(config, inputs),
        code=inputs.code["Evaluator"],
    )

    model_check = ModelCheck(
        properties.model_check_settings(config, inputs),
        inputs.code["ModelCheck"],
        examples=examples,
        model=model,
        evaluation=evaluator.outputs["evaluation"],
        model_blessing=evaluator.outputs["blessing"],
    )

    pusher = VersionedPusher(
        {
            "examples": examples,
            "model": model,
            "model_run": trainer.outputs["model_run"],
            "evaluation": evaluator.outputs["evaluation"],
            "model_blessing": evaluator.outputs["blessing"],
            "infra_blessing": model_check.outputs["blessing"],
        },
        serving,
        card_settings(config, inputs, run_id),
        inputs.code["Pusher"],
    )
    report = nodes.report(
        config,
        inputs,
        run_id,
        examples=examples,
        index=example_gen.outputs["index"],
        statistics=statistics_gen.outputs["statistics"],
        schema=schema,
        anomalies=example_validator.outputs["anomalies"],
        checks=data_gate.outputs["checks"],
        transform_graph=transform_graph,
        pictures=pictures.outputs["pictures"],
        model=model,
        model_run=trainer.outputs["model_run"],
        evaluation=evaluator.outputs["evaluation"],
        blessing=evaluator.outputs["blessing"],
        infra_blessing=model_check.outputs["blessing"],
        pushed_model=pusher.outputs["pushed_model"],
        damaged_data=passed.outputs["damaged"],
        damaged_baseline=baseline.outputs["damaged"],
        **({"damaged_base_model": warm_start.outputs["damaged"]} if warm_start else {}),
    )

    return Pipeline(
        pipeline_name=config.pipeline_name,
        pipeline_root=pipeline_root,
        components=[
            example_gen,
            statistics_gen,
            schema_gen,
            example_validator,
            passed,
            data_gate,
            transform,
            pictures,
            *([warm_start] if warm_start else []),
            *([tuner] if tuner else []),
            trainer,
            baseline,
            evaluator,
            model_check,
            pusher,
            report,
        ],
        enable_cache=enable_cache,
        metadata_connection_config=metadata,
        beam_pipeline_args=beam_pipeline_args,
    )
