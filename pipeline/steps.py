"""The one table of steps: what each waits for, when it is in the pipeline, where its code is.

Whatever needs a list of steps reads this one: the graph of the Kubeflow package, the order in which
steps are shown, the cache keys, the pods. It needs no TFX. `pipeline.pipeline` makes the steps.

    >>> from pipeline.config import load_config
    >>> config = load_config("digits")
    >>> steps_of(config)[:3]
    ('ImageExampleGen', 'StatisticsGen', 'SchemaGen')
    >>> graph_of(config)["Transform"]
    ('ImageExampleGen', 'SchemaGen', 'DataGate')
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.config import Config

Graph = dict[str, tuple[str, ...]]
"""Step -> the steps that it waits for, both in the order of the data flow."""


RETRIES = 2
"""How often a cluster tries a step again by default."""


def _always(config: Config) -> bool:
    del config
    return True


@dataclass(frozen=True)
class Step:
    """One step of the pipeline.

    Attributes:
      id: its name in TFX, in the logs and in ML Metadata.
      after: the steps that it waits for, where they are in the pipeline.
      module: of ours that it starts in; its imports are the step's code (`pipeline.inputs.code`).
        None of a step that runs TFX's code alone.
      unkeyed: modules among these that change nothing in what the step makes, and so are in no key
        of its cache.
      when: whether a configuration's pipeline has it.
      at_once: whether it waits for nothing in a configuration's pipeline.
      beam: whether Beam runs it, on the configured runner.
      gpu: whether its pod asks for a GPU.
      retries: how often a cluster tries it again.
    """

    id: str
    after: tuple[str, ...] = ()
    module: str | None = None
    unkeyed: tuple[str, ...] = ()
    when: Callable[[Config], bool] = _always
    at_once: Callable[[Config], bool] = lambda config: False
    beam: bool = False
    gpu: bool = False
    retries: int = RETRIES


def _has_schema(config: Config) -> bool:
    # One that data.write_schema finds is not known here; then SchemaGen waits in vain, and briefly.
    return config.data.curated_schema is not None


_NOT_THE_MODEL = (
    "components.progress",
    "components.terminal",
    # The picture of the history is drawn again with the next training.
    "components.trainer.curves",
    # What was downloaded has a digest of its own.
    "components.backbone.hub",
    "components.backbone.kaggle",
)

TABLE = (
    Step("ImageExampleGen", module="components.example_gen.executor", beam=True),
    Step(
        "StatisticsGen",
        ("ImageExampleGen",),
        module="components.statistics_gen.executor",
        beam=True,
    ),
    Step("SchemaGen", ("StatisticsGen",), at_once=_has_schema),
    Step("ExampleValidator", ("StatisticsGen", "SchemaGen")),
    Step("PassedSpan"),
    Step(
        "DataGate",
        ("ImageExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "PassedSpan"),
        module="components.data_gate.executor",
        retries=1,  # What is refused once is refused again; an evicted pod is worth another.
    ),
    Step(
        "Transform",
        ("ImageExampleGen", "SchemaGen", "DataGate"),
        module="components.transform.preprocessing",
        beam=True,
    ),
    Step("Pictures", ("ImageExampleGen", "Transform"), module="components.pictures.executor"),
    Step("WarmStart", when=lambda config: config.training.warm_start),
    Step(
        "Tuner",
        ("ImageExampleGen", "Transform", "WarmStart"),
        module="components.tuner.executor",
        unkeyed=_NOT_THE_MODEL,
        when=lambda config: config.search is not None,
        gpu=True,
    ),
    Step(
        "Trainer",
        ("ImageExampleGen", "Transform", "WarmStart", "Tuner"),
        module="components.trainer.run_fn",
        unkeyed=_NOT_THE_MODEL,
        gpu=True,
    ),
    # What serves when there is something to compare with it.
    Step("BaselineModel", ("Trainer",)),
    Step(
        "Evaluator",
        ("ImageExampleGen", "Transform", "Trainer", "BaselineModel"),
        module="components.evaluator.executor",
        beam=True,
    ),
    Step(
        "ModelCheck",
        ("ImageExampleGen", "Trainer", "Evaluator"),
        module="components.model_check.executor",
    ),
    Step(
        "Pusher",
        ("ImageExampleGen", "Trainer", "Evaluator", "ModelCheck"),
        module="components.pusher.executor",
    ),
    Step(
        "Report",
        (
            "ImageExampleGen",
            "StatisticsGen",
            "SchemaGen",
            "ExampleValidator",
            "DataGate",
            "Transform",
            "Pictures",
            "Trainer",
            "Evaluator",
            "ModelCheck",
            "Pusher",
            # What they found damaged.
            "PassedSpan",
            "BaselineModel",
            "WarmStart",
        ),
        module="components.report.executor",
    ),
)
"""Every step of every configuration, in the order of the data flow."""

STEPS = tuple(step.id for step in TABLE)
"""Ids of every step, in the order of the data flow."""

ALWAYS = tuple(step.id for step in TABLE if step.when is _always)
"""Ids of the steps that every configuration has."""


def steps_of(config: Config) -> tuple[str, ...]:
    """The steps of this configuration's pipeline in the order of the data flow."""
    return tuple(step.id for step in TABLE if step.when(config))


def graph_of(config: Config) -> Graph:
    """The steps of this configuration's pipeline, and what each waits for.

    `tests/pipeline/test_steps.py` compares it with the pipeline that TFX compiles.
    """
    there = steps_of(config)
    return {
        step.id: () if step.at_once(config) else tuple(s for s in step.after if s in there)
        for step in TABLE
        if step.id in there
    }


def one_at_a_time(graph: Graph) -> Graph:
    """The same steps in a row: for a metadata store that takes one writer."""
    order = in_order(graph)
    return {step: tuple(order[:place][-1:]) for place, step in enumerate(order)}


def in_order(graph: Graph) -> tuple[str, ...]:
    """The steps so that each comes after those that it waits for; else as in `STEPS`."""
    done: list[str] = []
    while len(done) < len(graph):
        done.append(
            next(s for s in STEPS if s not in done and s in graph and set(graph[s]) <= set(done))
        )
    return tuple(done)
