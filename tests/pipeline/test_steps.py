"""The table of steps says what TFX compiles."""

import doctest
import json
import shutil
from importlib.util import find_spec

import pytest

from pipeline import steps
from pipeline.config import load_config
from pipeline.run.summary import Summary
from pipeline.shipped import SCHEMAS
from pipeline.steps import ALWAYS, STEPS, TABLE, graph_of, in_order, one_at_a_time, steps_of
from tests.pipeline.digits import compiled

INFERRED = "data.curated_schema=null"
SEARCH = "search.mode=[head_only, full]"
WARM = "training.warm_start=true"


def tfx_graph(folder, *overrides):
    """Step -> the steps that it waits for, as TFX has them; and the configuration."""
    from tfx.dsl.components.base.base_beam_component import BaseBeamComponent

    inputs, pipeline, nodes = compiled(folder, *overrides)
    assert {c.id for c in pipeline.components if isinstance(c, BaseBeamComponent)} == {
        step.id for step in TABLE if step.beam
    }
    return {name: set(node.upstream_nodes) for name, node in nodes.items()}, inputs.config


@pytest.mark.parametrize("overrides", [(), (INFERRED,), (SEARCH,), (WARM,), (WARM, SEARCH)])
def test_it_is_tfxs(tmp_path, overrides):
    found, config = tfx_graph(tmp_path, *overrides)
    assert found == {step: set(upstream) for step, upstream in graph_of(config).items()}


def test_one_graph_serves_a_schema_that_is_there_and_one_that_is_not_yet(tmp_path):
    """A package is compiled before anybody knows."""
    path = tmp_path / "s.pbtxt"
    wish = (INFERRED, f"data.write_schema={path}")
    inferred, config = tfx_graph(tmp_path, *wish)
    shutil.copy(SCHEMAS / "digits.pbtxt", path)
    curated, _ = tfx_graph(tmp_path, *wish)
    graph = graph_of(config)
    assert inferred["SchemaGen"] == {"StatisticsGen"}
    assert curated["SchemaGen"] == set()
    for found in (inferred, curated):
        assert all(found[step] <= set(graph[step]) for step in graph)


@pytest.mark.parametrize("overrides", [(), (INFERRED,), (SEARCH,), (WARM, SEARCH)])
def test_every_step_comes_after_those_that_it_waits_for(overrides):
    graph = graph_of(load_config("digits", overrides=overrides))
    order = in_order(graph)
    assert sorted(order) == sorted(steps_of(load_config("digits", overrides=overrides)))
    for step, upstream in graph.items():
        assert all(order.index(other) < order.index(step) for other in upstream)


def test_one_at_a_time_is_the_same_steps_in_a_row():
    graph = graph_of(load_config("digits"))
    row = one_at_a_time(graph)
    assert [upstream for upstream in row.values() if not upstream] == [()]
    assert all(len(upstream) <= 1 for upstream in row.values())
    assert in_order(row) == in_order(graph)
    assert json.dumps(row) != json.dumps(graph)


def test_some_steps_are_there_where_the_configuration_asks_for_them_alone():
    assert steps_of(load_config("digits", overrides=[SEARCH, WARM])) == STEPS
    without = steps_of(load_config("digits"))
    assert without == ALWAYS
    assert set(STEPS) - set(without) == {"WarmStart", "Tuner"}
    assert set(steps_of(load_config("digits", overrides=[WARM]))) - set(without) == {"WarmStart"}
    assert tuple(step.id for step in Summary().steps) == without


@pytest.mark.parametrize("overrides", [(), (SEARCH,)])
def test_the_trainer_takes_what_the_tuner_chose(overrides):
    config = load_config("digits", overrides=overrides)
    assert ("Tuner" in graph_of(config)["Trainer"]) == bool(overrides)


def test_the_example_in_the_docstring_runs():
    assert doctest.testmod(steps).failed == 0


@pytest.mark.parametrize("step", [step for step in TABLE if step.module], ids=lambda step: step.id)
def test_the_code_of_a_step_is_where_the_table_says(step):
    assert find_spec(step.module) is not None
