"""The baseline, chosen in a real metadata store."""

import pytest
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.types.artifact_utils import deserialize_artifact
from tfx.types.standard_artifacts import Model, ModelBlessing

from components.evaluator.baseline import (
    BestBlessedStrategy,
    LastBlessedStrategy,
    digest_of_classes,
)


class Store:
    """An in-memory store with models, blessings and Evaluator executions."""

    def __init__(self):
        config = mlmd.ConnectionConfig(fake_database=mlmd.FakeDatabaseConfig())
        self.store = metadata_store.MetadataStore(config)
        self.types = {
            kind: self.store.put_artifact_type(mlmd.ArtifactType(name=kind.TYPE_NAME))
            for kind in (Model, ModelBlessing)
        }
        self.evaluator = self.store.put_execution_type(mlmd.ExecutionType(name="Evaluator"))
        self.channels = {"model": [], "model_blessing": []}

    def _artifact(self, kind, **properties):
        artifact = mlmd.Artifact(type_id=self.types[kind])
        fields = {int: "int_value", float: "double_value", str: "string_value"}
        for name, value in properties.items():
            setattr(artifact.custom_properties[name], fields[type(value)], value)
        (artifact.id,) = self.store.put_artifacts([artifact])
        return deserialize_artifact(mlmd.ArtifactType(name=kind.TYPE_NAME), artifact)

    def train(self):
        model = self._artifact(Model)
        self.channels["model"].append(model)
        return model

    def judge(self, model, blessed=1, class_names="abc", **properties):
        properties |= {"blessed": blessed, "class_names": class_names}
        blessing = self._artifact(ModelBlessing, current_model_id=model.id, **properties)
        self.channels["model_blessing"].append(blessing)
        self.give(blessing)
        return blessing

    def give(self, blessing):
        """An Evaluator's execution, run or cached, that puts this blessing out."""
        (execution,) = self.store.put_executions([mlmd.Execution(type_id=self.evaluator)])
        event = mlmd.Event(
            artifact_id=blessing.id, execution_id=execution, type=mlmd.Event.OUTPUT
        )  # fmt: skip
        self.store.put_events([event])

    def resolve(self, strategy=None):
        strategy = strategy or LastBlessedStrategy("abc")
        resolved = strategy.resolve_artifacts(self.store, self.channels)
        return [[artifact.id for artifact in resolved[name]] for name in self.channels]


@pytest.fixture
def store():
    return Store()


def test_there_is_none_before_the_first_blessing(store):
    assert store.resolve() == [[], []]
    store.judge(store.train(), blessed=0)
    assert store.resolve() == [[], []]


def test_a_model_that_was_rejected_since_does_not_count(store):
    first = store.train()
    blessing = store.judge(first)
    store.judge(store.train(), blessed=0)
    assert store.resolve() == [[first.id], [blessing.id]]


def test_an_old_model_that_is_blessed_again_is_the_last(store):
    first, second = store.train(), store.train()
    store.judge(first)
    store.judge(second)
    again = store.judge(first)
    assert store.resolve() == [[first.id], [again.id]]


def test_an_old_blessing_that_a_cached_evaluator_gives_again_is_the_last(store):
    first, second = store.train(), store.train()
    old = store.judge(first)
    store.judge(second)
    store.give(old)
    assert store.resolve() == [[first.id], [old.id]]


def test_a_blessing_whose_model_is_gone_does_not_count(store):
    first = store.train()
    blessing = store.judge(first)
    gone = store.train()
    store.judge(gone)
    store.channels["model"].remove(gone)
    assert store.resolve() == [[first.id], [blessing.id]]


def test_the_best_on_the_same_data_is_the_best_whenever_it_was(store):
    models = [store.train() for _ in range(4)]
    best = store.judge(models[0], accuracy=0.9, evaluation_data="a")
    store.judge(models[1], accuracy=0.8, evaluation_data="a")
    store.judge(models[2], accuracy=0.99, evaluation_data="b")
    store.judge(models[3], blessed=0, accuracy=0.95, evaluation_data="a")
    assert store.resolve(BestBlessedStrategy("abc", "a")) == [[models[0].id], [best.id]]
    assert store.resolve(BestBlessedStrategy("abc", "c")) == [[], []]


def test_of_equally_good_models_the_newer_is_the_best(store):
    first, second = store.train(), store.train()
    store.judge(first, accuracy=0.9, evaluation_data="a")
    newer = store.judge(second, accuracy=0.9, evaluation_data="a")
    assert store.resolve(BestBlessedStrategy("abc", "a")) == [[second.id], [newer.id]]


def test_a_model_of_other_classes_cannot_be_compared(store):
    first, other = store.train(), store.train()
    blessing = store.judge(first, accuracy=0.5, evaluation_data="a")
    store.judge(other, class_names="xyz", accuracy=0.9, evaluation_data="a")
    for strategy in (LastBlessedStrategy("abc"), BestBlessedStrategy("abc", "a")):
        assert store.resolve(strategy) == [[first.id], [blessing.id]]


def test_the_order_of_classes_counts():
    assert digest_of_classes(["a", "b"]) != digest_of_classes(["b", "a"])
