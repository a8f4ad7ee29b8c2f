"""The model that a warm start begins from, over runs in a real metadata store."""

import shutil

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.lineage.artifacts import damage_of
from components.trainer.base_model import BaseModelStrategy
from tests.components.evaluator.store import Store


class Runs(Store):
    """Runs of a pipeline that always starts warm."""

    def __init__(self, folder):
        super().__init__(folder)
        self._examples = self.store.put_artifact_type(mlmd.ArtifactType(name="Examples"))
        self._trainer = self.store.put_execution_type(mlmd.ExecutionType(name="Trainer"))
        self._cache = {}
        self._serves = None

    def run(self, data, config="c", blessed=1, class_names="abc", pushed=True):
        """Resolves, trains if that is not cached, judges and pushes; returns (base, model) by ids.

        Args:
          data: the fingerprint.
          config: all else that the Trainer depends on.
          blessed: the verdict.
          class_names: of the data.
          pushed: whether the run came to its push, if the model is blessed.
        """
        strategy = BaseModelStrategy(**self.place(class_names=class_names, fingerprint=data))
        resolved = strategy.resolve_artifacts(self.store, self.channels)
        assert resolved.keys() == self.channels.keys()
        self.damaged = [model.id for model in resolved["damaged"]]
        base = next((model.id for model in resolved["model"]), None)
        key = data, config, base
        model = self._cache[key] if key in self._cache else self.train()
        self._cache[key] = model
        self._trained(model, data, base)
        self.judge(model, blessed=blessed, class_names=class_names)
        if blessed and pushed and model.id != self._serves:
            self.push(model)
            self._serves = model.id
        return base, model.id

    def _trained(self, model, data, base):
        """An execution of the Trainer, run or cached, with what it read and what it left."""
        examples = mlmd.Artifact(type_id=self._examples)
        examples.custom_properties["fingerprint"].string_value = data
        (examples_id,) = self.store.put_artifacts([examples])
        (execution,) = self.store.put_executions([mlmd.Execution(type_id=self._trainer)])
        read = {"examples": examples_id} | ({} if base is None else {"base_model": base})
        events = [(key, found, mlmd.Event.INPUT) for key, found in read.items()]
        for key, found, kind in [*events, ("model", model.id, mlmd.Event.OUTPUT)]:
            event = mlmd.Event(artifact_id=found, execution_id=execution, type=kind)
            event.path.steps.add(key=key)
            self.store.put_events([event])


@pytest.fixture
def runs(tmp_path):
    return Runs(tmp_path)


def test_the_first_run_has_none(runs):
    base, _ = runs.run("monday")
    assert base is None


def test_new_data_begin_from_the_last_model(runs):
    _, monday = runs.run("monday")
    base, tuesday = runs.run("tuesday")
    assert base == monday
    base, _ = runs.run("wednesday")
    assert base == tuesday


def test_runs_on_unchanged_data_train_once(runs):
    first = [runs.run("monday") for _ in range(3)]
    second = [runs.run("tuesday") for _ in range(3)]
    assert len(set(first)) == len(set(second)) == 1
    assert second[0][0] == first[0][1]


def test_another_configuration_on_the_same_data_begins_where_the_one_before_began(runs):
    _, monday = runs.run("monday")
    _, tuesday = runs.run("tuesday")
    base, other = runs.run("tuesday", config="d")
    assert base == monday
    assert other != tuesday


def test_data_that_come_back_begin_from_the_last_model_and_then_stay(runs):
    runs.run("monday")
    _, tuesday = runs.run("tuesday")
    again = [runs.run("monday") for _ in range(3)]
    assert {base for base, _ in again} == {tuesday}
    assert len(set(again)) == 1


def test_a_model_that_was_rejected_is_no_base(runs):
    _, monday = runs.run("monday")
    rejected = [runs.run("tuesday", blessed=0) for _ in range(2)]
    assert rejected[0] == rejected[1]
    assert rejected[0][0] == monday
    base, _ = runs.run("wednesday")
    assert base == monday


def test_a_model_of_other_classes_is_no_base(runs):
    runs.run("monday", class_names="xyz")
    base, _ = runs.run("tuesday")
    assert base is None


def test_a_base_that_is_gone_is_none(runs):
    _, monday = runs.run("monday")
    runs.run("tuesday")
    runs.channels["model"] = [model for model in runs.channels["model"] if model.id != monday]
    base, _ = runs.run("tuesday")
    assert base is None


def test_a_run_that_was_killed_before_its_push_changes_nothing_for_the_next(runs):
    _, monday = runs.run("monday")
    killed = runs.run("tuesday", pushed=False)
    assert runs.run("tuesday", pushed=False) == killed
    base, _ = runs.run("wednesday", pushed=False)
    assert base == monday
    assert runs.run("tuesday") == killed
    base, _ = runs.run("wednesday")
    assert base == killed[1]


def test_a_base_whose_files_are_damaged_is_filled_again_from_what_serves(runs):
    _, monday = runs.run("monday")
    (model,) = runs.channels["model"]
    shutil.rmtree(model.uri)
    base, _ = runs.run("tuesday")
    assert (base, runs.damaged) == (monday, [monday])
    assert damage_of(model) == ""


def test_a_base_that_is_lost_is_named(runs):
    _, monday = runs.run("monday")
    (model,) = runs.channels["model"]
    for folder in (model.uri, runs.serving, runs.folder / "artifacts" / "Pusher"):
        shutil.rmtree(folder)
    base, _ = runs.run("tuesday", pushed=False)
    assert (base, runs.damaged) == (None, [monday])
    assert "starts from the backbone" in model.get_string_custom_property("WarmStart.warning")
