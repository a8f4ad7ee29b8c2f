"""The properties of the steps as they are compared without TFX, against those that TFX compiles."""

import pytest

from pipeline.config import load_config
from pipeline.properties import digests, will_run
from pipeline.steps import steps_of
from tests.pipeline.digits import compiled

NOT_CACHED = {"PassedSpan", "WarmStart", "BaselineModel", "Pusher", "Report"}
"""Resolvers, and the steps whose properties have the id of the run."""
CHANGES = [
    ("training.seed=7", {"Pictures", "Trainer"}),
    ("training.batch_size=32", {"Pictures", "Trainer"}),
    ("training.precision=mixed_bfloat16", {"Trainer"}),
    ("training.randaugment={layers: 1}", {"Pictures", "Trainer"}),
    ("training.class_weights=balanced", {"Trainer"}),
    ("training.clip_norm=1.0", {"Trainer"}),
    ("evaluation.min_macro_f1=0.5", {"Evaluator"}),
    ("backbone.mode=head_only", {"Trainer"}),
    ("preprocessing.background=[0, 0, 0]", {"DataGate", "Transform", "Pictures"}),
    ("preprocessing.resize=40", {"Transform", "Pictures", "Trainer", "ModelCheck"}),
    ("data.screen.max_bytes=100000", {"ImageExampleGen", "Trainer", "Evaluator"}),
    ("data.curated_schema=null", {"StatisticsGen", "SchemaGen"}),
    ("data_gate.max_reject_fraction=0.5", {"DataGate"}),
    ("evaluation.min_accuracy=0.5", {"Evaluator"}),
    ("serving.max_latency_ms=100", {"ModelCheck"}),
    ("evaluation.max_regression=0.5", {"Evaluator"}),
    ("search.mode=[head_only, full]", {"Tuner"}),
    ("beam.options={direct_num_workers: 2}", set()),
]


def properties(folder, *overrides):
    """Digests of the properties, and the properties of each node in TFX's IR."""
    inputs, _, nodes = compiled(folder, *overrides)
    return digests(inputs), {
        name: {key: value.field_value for key, value in node.parameters.parameters.items()}
        for name, node in nodes.items()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def first(folder):
    return properties(folder)


@pytest.mark.parametrize(("override", "steps"), CHANGES)
def test_what_changes_is_what_tfx_sees_change(folder, first, override, steps):
    now, nodes = properties(folder, override)
    before, old_nodes = first
    changed = {step for step in now if before.get(step) != now[step]}
    compared = nodes.keys() - NOT_CACHED
    assert changed == {name for name in compared if nodes[name] != old_nodes.get(name)}
    assert changed == steps


def test_what_reads_of_a_step_that_runs_runs_too():
    config = load_config("digits")
    before = dict.fromkeys(set(steps_of(config)) - NOT_CACHED, "a")
    assert will_run(config, before, before) == {"Pusher", "Report"}
    after = {**before, "Trainer": "b"}
    trained = {"Trainer", "BaselineModel", "Evaluator", "ModelCheck", "Pusher", "Report"}
    assert will_run(config, before, after) == trained
    # Transform waits for DataGate, and reads nothing of it.
    assert will_run(config, before, {**before, "DataGate": "b"}) == {"DataGate", "Pusher", "Report"}
    # The preset's schema is curated: it is read again for no other data.
    assert before.keys() - will_run(config, before, {**before, "ImageExampleGen": "b"}) == {
        "SchemaGen"
    }
    assert will_run(config, {}, before) >= set(before)
