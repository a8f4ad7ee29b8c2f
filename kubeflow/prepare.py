"""The first task: overrides, validation, data and backbone, and the compiled pipeline."""

from __future__ import annotations

import argparse
import json
import logging
import os
from pathlib import Path

from google.protobuf import json_format

from components.backbone.handle import check_whole
from components.errors import UserError
from components.storage import io_errors
from kubeflow import parameters
from kubeflow.connection import connection_config, open_first
from kubeflow.run_folder import RunFolder
from pipeline.config import Config, dump_config, override_config
from pipeline.config.kubeflow import PREPARE
from pipeline.inputs.resolve import resolve
from pipeline.run.preflight import check_output, check_stores
from pipeline.run.reported import run_reported
from pipeline.run.summary import UNFINISHED, Summary, keep_summary, steps_named, write_summary
from pipeline.steps import graph_of, steps_of

_logger = logging.getLogger(__name__)


def prepare(options: argparse.Namespace, folder: RunFolder) -> None:
    """Compiles this run's pipeline and hands its address and SHA-256 on.

    Raises:
      UserError: the configuration with its overrides is not valid, or data, backbone or the
        metadata store cannot be had.
    """
    _begin(Config.model_validate_json(options.config), folder)

    def work() -> str:
        address, sha256 = folder.write_ir(_compile(options, folder))
        for file, value in ((options.ir_to, address), (options.sha256_to, sha256)):
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            Path(file).write_text(value, encoding="utf-8")
        return "complete"

    run_reported(PREPARE, work)


def _begin(config: Config, folder: RunFolder) -> None:
    """Takes the place of the last run's summary, as a run that is killed would leave it."""
    summary = Summary(
        pipeline=config.pipeline_name,
        run_id=folder.run_id,
        steps=steps_named(steps_of(config)),
        reasons=[UNFINISHED],
    )
    try:
        write_summary(folder.layout.summary, summary)
        keep_summary(folder.path, summary, over=False)
    except io_errors() as error:
        raise UserError(
            f"kubeflow.output {folder.layout.output} cannot be written by user {os.getuid()}: "
            f"{error}. docs/how-to/kubeflow.md says how a volume is opened to the image's user."
        ) from error


def run_config(options: argparse.Namespace) -> Config:
    """The package's configuration with this run's parameters, and `overrides` on top.

    Raises:
      UserError: it is not valid, or what it changes is fixed when a package is compiled.
    """
    values = json.loads(options.config)
    compiled = Config.model_validate_json(options.config)
    named = {name: getattr(options, name) for name in parameters.PARAMETERS}
    try:
        more = json.loads(options.overrides)
    except ValueError:
        more = None
    if not isinstance(more, list) or not all(isinstance(item, str) for item in more):
        raise UserError(
            f'overrides: {options.overrides} is not a list of texts such as ["training.seed=3"].'
        )
    config = override_config(values, [*parameters.overrides(named), *more])
    fixed = ("pipeline_name", "kubeflow")
    changed = [name for name in fixed if getattr(config, name) != getattr(compiled, name)]
    if graph_of(config) != graph_of(compiled):
        changed.append("data.curated_schema, search or training.warm_start, given or not,")
    if changed:
        raise UserError(
            f"{' and '.join(changed)} cannot change from run to run: the package's tasks are made "
            "of it. Compile another package."
        )
    return config


def _compile(options: argparse.Namespace, folder: RunFolder) -> str:
    config, layout = run_config(options), folder.layout
    for warning in check_output(layout, config):
        _logger.warning("%s", warning)
    check_stores(layout, config)
    connection = connection_config(options.metadata)
    open_first(connection, layout.artifacts)
    inputs = resolve(config, layout)
    check_whole(inputs.backbone.path)
    config = inputs.config

    from tfx.dsl.compiler import compiler, constants
    from tfx.orchestration.portable import runtime_parameter_utils

    from pipeline.inputs.span import settle_span
    from pipeline.pipeline import create_pipeline
    from pipeline.run.beam_flags import checked_flags
    from pipeline.run.moved import settle_place
    from pipeline.run.report import report_settings

    settle_place(connection, config.pipeline_name, layout, own_store=False)
    settings = report_settings(config, inputs, options.run_id)
    folder.write_config(dump_config(config), settings.model_dump_json())
    pipeline = create_pipeline(
        config,
        inputs,
        settle_span(connection, config.pipeline_name, inputs.source.fingerprint),
        pipeline_root=str(layout.artifacts),
        serving=str(layout.serving),
        checkpoints=str(layout.checkpoints),
        run_id=options.run_id,
        # TFX writes it into what it compiles.
        metadata=connection_config(options.metadata, with_password=False),
        beam_pipeline_args=checked_flags(config.beam),
        enable_cache=options.use_cache == "true",
    )
    ir = compiler.Compiler().compile(pipeline)
    runtime_parameter_utils.substitute_runtime_parameter(
        ir, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: options.run_id}
    )
    return json_format.MessageToJson(ir)
