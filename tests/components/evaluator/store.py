"""A metadata store with models and their blessings."""

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.types.artifact_utils import deserialize_artifact
from tfx.types.standard_artifacts import Model, ModelBlessing

from components.evaluator.baseline import LastBlessedStrategy


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
