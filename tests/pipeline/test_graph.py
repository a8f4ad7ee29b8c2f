"""The graph that the compiler for Kubeflow knows is the one that TFX compiles."""

import json

import pytest

from pipeline.config import load_config
from pipeline.graph import graph_of, in_order, one_at_a_time
from pipeline.summary import STEPS

INFERRED = "data.curated_schema=null"


@pytest.mark.parametrize("overrides", [(), (INFERRED,)])
def test_it_is_tfxs(tmp_path, overrides):
    from ml_metadata.proto import metadata_store_pb2
    from tfx.dsl.compiler import compiler

    from pipeline.inputs import resolve
    from pipeline.layout import Layout
    from pipeline.pipeline import create_pipeline

    config = load_config("digits", overrides=[*overrides, f"data.data_dir={tmp_path}"])
    pipeline = create_pipeline(
        config,
        resolve(config, Layout(tmp_path / "out")),
        pipeline_root=str(tmp_path),
        serving=str(tmp_path),
        checkpoints=str(tmp_path),
        run_id="run",
        metadata=metadata_store_pb2.ConnectionConfig(sqlite={"filename_uri": ":memory:"}),
        beam_pipeline_args=[],
    )
    nodes = [node.pipeline_node for node in compiler.Compiler().compile(pipeline).nodes]
    compiled = {node.node_info.id: set(node.upstream_nodes) for node in nodes}
    assert compiled == {step: set(upstream) for step, upstream in graph_of(config).items()}


@pytest.mark.parametrize("overrides", [(), (INFERRED,)])
def test_every_step_comes_after_those_that_it_waits_for(overrides):
    graph = graph_of(load_config("digits", overrides=overrides))
    order = in_order(graph)
    assert sorted(order) == sorted(STEPS)
    for step, upstream in graph.items():
        assert all(order.index(other) < order.index(step) for other in upstream)


def test_one_at_a_time_is_the_same_steps_in_a_row():
    graph = graph_of(load_config("digits"))
    row = one_at_a_time(graph)
    assert [upstream for upstream in row.values() if not upstream] == [()]
    assert all(len(upstream) <= 1 for upstream in row.values())
    assert in_order(row) == in_order(graph)
    assert json.dumps(row) != json.dumps(graph)
