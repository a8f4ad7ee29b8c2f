"""Components that are made of a declaration."""

import pytest
from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types import Channel
from tfx.types.standard_artifacts import Examples, Model, TransformGraph

from components.evaluator.component import GatedEvaluator
from components.pictures.component import Pictures
from components.section import Section
from components.tuner.component import OptunaTuner


class Settings(Section):
    rate: float


def channels(*kinds):
    return [Channel(type=kind) for kind in kinds]


def test_it_has_the_name_the_properties_and_the_outputs_that_it_declares():
    examples, graph = channels(Examples, TransformGraph)
    made = OptunaTuner(Settings(rate=0.5), "c0de", examples=examples, transform_graph=graph)
    assert made.id == "Tuner"
    assert made.exec_properties == {"settings": '{"rate":0.5}', "code": "c0de"}
    assert set(made.outputs) == {"best_hyperparameters", "tuner_results"}
    assert set(made.inputs) == {"examples", "transform_graph"}


def test_an_optional_channel_may_be_none_and_a_needed_one_may_not():
    examples, graph, model = channels(Examples, TransformGraph, Model)
    given = {"examples": examples, "transform_graph": graph}
    assert "base_model" not in OptunaTuner(Settings(rate=1), "", **given, base_model=None).inputs
    made = OptunaTuner(Settings(rate=1), "", **given, base_model=model)
    assert made.inputs["base_model"] is model
    with pytest.raises(ValueError, match="transform_graph"):
        Pictures(Settings(rate=1), "", examples=examples)


@pytest.mark.parametrize("wrong", [{"transform_graph": Model}, {"pixels": Model}])
def test_a_channel_of_another_type_or_name_is_refused(wrong):
    kinds = {"examples": Examples, "transform_graph": TransformGraph, **wrong}
    with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
        Pictures(Settings(rate=1), "", **{name: Channel(type=kind) for name, kind in kinds.items()})


def test_an_executor_that_runs_beam_makes_a_beam_component():
    assert issubclass(GatedEvaluator, BaseBeamComponent)
    assert isinstance(GatedEvaluator.EXECUTOR_SPEC, BeamExecutorSpec)
    assert not issubclass(Pictures, BaseBeamComponent)
