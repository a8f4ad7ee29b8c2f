"""The KFP package: one task a TFX node, made with the KFP SDK and nothing of TFX.

No `from __future__ import annotations` here: KFP reads a component's annotations as types.

    >>> import tempfile
    >>> from pipeline.config import load_config
    >>> config = load_config("digits", overrides=["kubeflow.image=registry/bit:1"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_package(config, Path(folder, "digits.yaml"))
    ...     [path.name for path in Path(folder).iterdir()]
    ['digits.yaml']
"""

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kfp import compiler, dsl

from components.report import content
from kubeflow import parameters
from kubeflow.pods import place, use_password
from pipeline.config import Config, dump_config
from pipeline.config.kubeflow import FINISH, PREPARE, REJECTED_TASK
from pipeline.steps import graph_of, in_order, one_at_a_time

EXECUTOR_INPUT = "{{$}}"
"""KFP puts all that it knows of a task's outputs here."""


def write_package(config: Config, path: Path) -> None:
    """Compiles the configuration's pipeline into KFP's YAML.

    Args:
      config: with `kubeflow.image`.
      path: a name that ends in .yaml.
    """
    compiler.Compiler().compile(make_pipeline(config), str(path))


def make_pipeline(config: Config) -> Any:
    """The pipeline as the SDK has it: prepare, TFX's nodes, the verdict, and always finish."""
    kubeflow = config.kubeflow
    graph = graph_of(config)
    if kubeflow.metadata.sqlite:
        graph = one_at_a_time(graph)
    start = parameters.defaults(config)

    @dsl.pipeline(
        name=config.pipeline_name,
        description=f"Fine-tunes {start['handle']} on {start['dataset']}; gated and pushed by TFX.",
        pipeline_config=dsl.PipelineConfig(
            active_deadline_seconds=kubeflow.deadline_s,
            ttl_seconds_after_finished=kubeflow.ttl_s,
        ),
    )
    def pipeline(  # noqa: PLR0913, PLR0917  # KFP's form has a field for each.
        dataset: str = start["dataset"],
        version: str = start["version"],
        handle: str = start["handle"],
        epochs: str = start["epochs"],
        min_accuracy: str = start["min_accuracy"],
        max_regression: str = start["max_regression"],
        overrides: list = [],  # noqa: B006  # KFP's default, never changed.
        use_cache: bool = True,
    ) -> None:
        run_id = dsl.PIPELINE_JOB_ID_PLACEHOLDER
        finish = _task(config, FINISH, _finish)(run_id=run_id)
        with dsl.ExitHandler(finish, name="run"):
            prepare = _task(config, PREPARE, _prepare)(
                run_id=run_id,
                dataset=dataset,
                version=version,
                handle=handle,
                epochs=epochs,
                min_accuracy=min_accuracy,
                max_regression=max_regression,
                overrides=overrides,
                use_cache=use_cache,
            )
            compiled = {"ir": prepare.outputs["ir"], "sha256": prepare.outputs["sha256"]}
            tasks = {}
            for node in in_order(graph):
                make = _NODES.get(node, _node)
                tasks[node] = _task(config, node, make)(run_id=run_id, **compiled)
                tasks[node].after(*(tasks[upstream] for upstream in graph[node]))
            with dsl.If(tasks["Evaluator"].outputs["verdict"] == content.REJECTED, name="gates"):
                # After the report, which says why, even where this ends the run as failed.
                _task(config, REJECTED_TASK, _rejected)(run_id=run_id).after(tasks["Report"])

    return pipeline


def _task(config: Config, name: str, make: Callable[..., Callable]) -> Callable[..., Any]:
    """A factory of the task `name` with all that its pod gets."""
    kubeflow = config.kubeflow
    step = kubeflow.step(name)
    gpus = step.accelerator.count if step.accelerator else 0
    common = [
        "--output", kubeflow.output_of(config.pipeline_name),
        "--metadata", kubeflow.metadata.without_password(),
        *(["--gpu"] if gpus else []),
    ]  # fmt: skip
    container = functools.partial(
        dsl.ContainerSpec,
        image=step.image or kubeflow.image,
        command=["python", "-m", "kubeflow.node", name],
    )
    function = make(container, common, config)
    function.__name__ = name
    component = dsl.container_component(function)

    def build(**arguments: Any) -> Any:
        task = component(**arguments)
        task.set_display_name(name)
        place(task, step, config)
        use_password(task, config)
        return task

    return build


def _prepare(container: Callable, common: list[str], config: Config) -> Callable:
    values = json.dumps(dump_config(config))

    def prepare(  # noqa: PLR0913, PLR0917
        run_id: str,
        dataset: str,
        version: str,
        handle: str,
        epochs: str,
        min_accuracy: str,
        max_regression: str,
        overrides: list,
        use_cache: bool,
        ir: dsl.OutputPath(str),  # type: ignore[valid-type]
        sha256: dsl.OutputPath(str),  # type: ignore[valid-type]
    ) -> dsl.ContainerSpec:
        return container(
            args=[
                "--run-id", run_id, *common, "--config", values,
                f"--dataset={dataset}", f"--version={version}", f"--handle={handle}",
                f"--epochs={epochs}",
                f"--min-accuracy={min_accuracy}", f"--max-regression={max_regression}",
                f"--overrides={overrides}", f"--use-cache={use_cache}",
                "--ir-to", ir, "--sha256-to", sha256,
            ]
        )  # fmt: skip

    return prepare


def _node(container: Callable, common: list[str], config: Config) -> Callable:
    def node(run_id: str, ir: str, sha256: str) -> dsl.ContainerSpec:
        return container(args=["--run-id", run_id, "--ir", ir, "--sha256", sha256, *common])

    return node


def _evaluator(container: Callable, common: list[str], config: Config) -> Callable:
    def evaluator(
        run_id: str,
        ir: str,
        sha256: str,
        metrics: dsl.Output[dsl.Metrics],
        confusion: dsl.Output[dsl.ClassificationMetrics],
        verdict: dsl.OutputPath(str),  # type: ignore[valid-type]
    ) -> dsl.ContainerSpec:
        return container(
            args=[
                "--run-id", run_id, "--ir", ir, "--sha256", sha256, *common,
                "--verdict-to", verdict, "--executor-input", EXECUTOR_INPUT,
            ]
        )  # fmt: skip

    return evaluator


def _report(container: Callable, common: list[str], config: Config) -> Callable:
    def report(run_id: str, ir: str, sha256: str, page: dsl.Output[dsl.HTML]) -> dsl.ContainerSpec:
        return container(
            args=[
                "--run-id", run_id, "--ir", ir, "--sha256", sha256, *common,
                "--page-to", page.path,
            ]
        )  # fmt: skip

    return report


def _rejected(container: Callable, common: list[str], config: Config) -> Callable:
    def rejected(run_id: str) -> dsl.ContainerSpec:
        end = config.kubeflow.rejected
        return container(args=["--run-id", run_id, *common, "--end", end])

    return rejected


def _finish(container: Callable, common: list[str], config: Config) -> Callable:
    def finish(run_id: str) -> dsl.ContainerSpec:
        name = config.pipeline_name
        return container(args=["--run-id", run_id, *common, "--pipeline", name])

    return finish


_NODES: Mapping[str, Callable] = {"Evaluator": _evaluator, "Report": _report}
"""Nodes that show more in KFP than their state."""
