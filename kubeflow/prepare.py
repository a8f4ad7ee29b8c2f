"""The first task: overrides, validation, data and backbone, and the compiled pipeline.

>>> from pipeline.config import dump_config, load_config
>>> config = load_config("digits")
>>> options = argparse.Namespace(
...     config=json.dumps(dump_config(config)),
...     overrides='["training.seed=3"]',
...     **parameters.defaults(config),
... )
>>> run_config(options).training.seed
3
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from pathlib import Path

from google.protobuf import json_format

from components.errors import UserError
from components.storage import io_errors
from kubeflow import parameters
from pipeline.config import Config, override_config
from pipeline.config.beam import has_workers
from pipeline.config.kubeflow import PREPARE
from pipeline.inputs.resolve import resolve
from pipeline.run.connection import connection_config, open_store
from pipeline.run.preflight import check_output, check_stores
from pipeline.run.reported import run_reported
from pipeline.run.run_folder import RunFolder
from pipeline.run.summary import begin
from pipeline.steps import graph_of

_logger = logging.getLogger(__name__)


def prepare(options: argparse.Namespace, folder: RunFolder) -> None:
    """Compiles this run's pipeline and hands its address and SHA-256 on.

    Raises:
      UserError: the configuration with its overrides is not valid, or data, backbone or the
        metadata store cannot be used.
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
    """Takes the place of the last run's summary."""
    try:
        begin(config, folder.layout, folder.run_id)
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
    # Before tasks that run side by side would all make the tables.
    open_store(connection, layout.artifacts)
    inputs = resolve(config, layout)
    if has_workers(config.beam):
        from pipeline.run.probe import data_of, probe

        probe(config.beam, layout.output, data_of(inputs.source))
    # Not at the top: a configuration that is refused does without TFX.
    from pipeline.run.compile import compile_run

    ir = compile_run(
        inputs,
        folder,
        connection,
        own_store=False,
        use_cache=options.use_cache == "true",
        public=connection_config(options.metadata, with_password=False),
    )
    return json_format.MessageToJson(ir)
