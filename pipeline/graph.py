"""Which step waits for which: what a compiler must know without TFX.

`tests/pipeline/test_graph.py` holds it against the pipeline that TFX compiles.
"""

from __future__ import annotations

from pipeline.config import Config
from pipeline.summary import STEPS

Graph = dict[str, tuple[str, ...]]
"""Step -> the steps that it waits for, both in the order of the data flow."""


def graph_of(config: Config) -> Graph:
    """The steps of this configuration's pipeline."""
    # One that data.write_schema finds is not known here; then SchemaGen waits in vain, and briefly.
    curated = config.data.curated_schema is not None
    warm: Graph = {"WarmStart": ()} if config.training.warm_start else {}
    tuner: Graph = {"Tuner": ("TfdsExampleGen", "Transform", *warm)} if config.search else {}
    return {
        "TfdsExampleGen": (),
        "StatisticsGen": ("TfdsExampleGen",),
        "SchemaGen": () if curated else ("StatisticsGen",),
        "ExampleValidator": ("StatisticsGen", "SchemaGen"),
        "PassedSpan": (),
        "DataGate": (
            "TfdsExampleGen",
            "StatisticsGen",
            "SchemaGen",
            "ExampleValidator",
            "PassedSpan",
        ),
        "Transform": ("TfdsExampleGen", "SchemaGen", "DataGate"),
        "Pictures": ("TfdsExampleGen", "Transform"),
        **warm,
        **tuner,
        "Trainer": ("TfdsExampleGen", "Transform", *warm, *tuner),
        # What serves when there is something to compare with it.
        "BaselineModel": ("Trainer",),
        "Evaluator": ("TfdsExampleGen", "Transform", "Trainer", "BaselineModel"),
        "Pusher": ("TfdsExampleGen", "Trainer", "Evaluator"),
        "Report": (
            "TfdsExampleGen",
            "StatisticsGen",
            "SchemaGen",
            "ExampleValidator",
            "DataGate",
            "Transform",
            "Pictures",
            "Trainer",
            "Evaluator",
            "Pusher",
            # What they found damaged.
            "PassedSpan",
            "BaselineModel",
            *warm,
        ),
    }


def steps_of(config: Config) -> tuple[str, ...]:
    """The steps of this configuration's pipeline in the order of the data flow."""
    graph = graph_of(config)
    return tuple(step for step in STEPS if step in graph)


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
