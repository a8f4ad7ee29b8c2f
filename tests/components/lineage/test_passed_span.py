"""The data to compare with, chosen in a real metadata store."""

import itertools
import shutil

import pytest
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.types.artifact_utils import deserialize_artifact
from tfx.types.standard_artifacts import ExampleStatistics

from components.artifacts import DataChecks
from components.lineage.artifacts import add_manifest
from components.lineage.passed_span import LastPassedStrategy


class Store:
    """A store in SQLite with statistics and the checks of data that passed."""

    def __init__(self, path):
        config = mlmd.ConnectionConfig(sqlite={"filename_uri": str(path)})
        config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        self.folder, self._numbers = path.parent, itertools.count(1)
        self.store = metadata_store.MetadataStore(config)
        self.types = {
            kind: self.store.put_artifact_type(mlmd.ArtifactType(name=kind.TYPE_NAME))
            for kind in (ExampleStatistics, DataChecks)
        }

    def _artifact(self, kind, **properties):
        folder = self.folder / str(next(self._numbers))
        folder.mkdir()
        (folder / "file").write_text("numbers")
        artifact = mlmd.Artifact(type_id=self.types[kind], uri=str(folder))
        add_manifest(artifact, kind.TYPE_NAME)
        fields = {int: "int_value", str: "string_value"}
        for name, value in properties.items():
            setattr(artifact.custom_properties[name], fields[type(value)], value)
        (artifact.id,) = self.store.put_artifacts([artifact])
        return artifact.id

    def gate(self, span, passed=1, class_names="abc", statistics=None):
        """Statistics and the checks of a run; of a run that did not pass there are none."""
        statistics = statistics or self._artifact(ExampleStatistics)
        checks = self._artifact(
            DataChecks,
            passed=passed,
            span=span,
            class_names=class_names,
            statistics_id=statistics,
        )
        return [statistics], [checks]

    def resolve(self, span, class_names="abc", without=()):
        channels = {
            name: [
                deserialize_artifact(mlmd.ArtifactType(name=kind.TYPE_NAME), artifact)
                for artifact in self.store.get_artifacts_by_type(kind.TYPE_NAME)
                if artifact.id not in without
            ]
            for name, kind in (("statistics", ExampleStatistics), ("checks", DataChecks))
        }
        channels["damaged"] = []
        strategy = LastPassedStrategy(span=span, class_names=class_names)
        resolved = strategy.resolve_artifacts(self.store, channels)
        self.damaged = [artifact.id for artifact in resolved["damaged"]]
        return tuple([a.id for a in resolved[name]] for name in ("statistics", "checks"))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "mlmd.sqlite")


NONE = [], []


def test_the_first_data_have_nothing_to_be_compared_with(store):
    assert store.resolve(1) == NONE


def test_the_same_data_again_are_compared_with_what_they_were_compared_with(store):
    store.gate(1)
    assert store.resolve(1) == NONE
    first = store.gate(1)
    second = store.gate(2)
    assert store.resolve(2) == first
    store.gate(3)
    assert store.resolve(2) == first
    assert store.resolve(3) == second
    assert store.resolve(1) == NONE


def test_the_last_span_counts_and_not_the_last_run(store):
    third = store.gate(3)
    store.gate(2)
    assert store.resolve(4) == third


def test_a_span_that_ran_twice_is_taken_as_it_was_last(store):
    store.gate(1)
    again = store.gate(1)
    assert store.resolve(2) == again


def test_data_that_did_not_pass_do_not_count(store):
    first = store.gate(1)
    store.gate(2, passed=0)
    assert store.resolve(3) == first


def test_data_of_other_classes_cannot_be_compared(store):
    first = store.gate(1)
    store.gate(2, class_names="xyz")
    assert store.resolve(3) == first
    assert store.resolve(3, class_names="other") == NONE


def test_checks_whose_statistics_are_gone_do_not_count(store):
    first = store.gate(1)
    statistics, _ = store.gate(2)
    assert store.resolve(3, without=statistics) == first


@pytest.mark.parametrize("which", [0, 1])
def test_data_whose_files_are_gone_are_passed_over_and_named(store, which):
    first = store.gate(1)
    second = store.gate(2)
    (artifact,) = store.store.get_artifacts_by_id(second[which])
    shutil.rmtree(artifact.uri)
    assert store.resolve(3) == first
    assert store.damaged == second[0]
    assert store.resolve(2) == first
    assert store.damaged == []
