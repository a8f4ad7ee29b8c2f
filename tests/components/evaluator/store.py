"""A metadata store and a serving folder, with models that were trained, judged and pushed."""

import itertools
import shutil

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.types.artifact_utils import deserialize_artifact
from tfx.types.standard_artifacts import Model, ModelBlessing, PushedModel

from components.lineage.artifacts import SERVING_MODEL, add_manifest
from components.lineage.baseline import LastServedStrategy
from components.lineage.served import MODEL_PROPERTY, VERSION_PROPERTY


class Store:
    """A store with models, blessings and pushes, and their files in a folder.

    Args:
      folder: for the files.
      config: ML Metadata's ConnectionConfig; None keeps the store in memory.
    """

    def __init__(self, folder, config=None):
        config = config or mlmd.ConnectionConfig(fake_database=mlmd.FakeDatabaseConfig())
        self.store = metadata_store.MetadataStore(config)
        self.types = {
            kind: self.store.put_artifact_type(mlmd.ArtifactType(name=kind.TYPE_NAME))
            for kind in (Model, ModelBlessing, PushedModel)
        }
        self._numbers = itertools.count(1)
        self.folder, self.serving = folder, folder / "serving"
        self.channels = {"model": [], "model_blessing": [], "pushed_model": [], "damaged": []}

    def _artifact(self, kind, uri="", **properties):
        artifact = mlmd.Artifact(type_id=self.types[kind], uri=str(uri))
        fields = {int: "int_value", float: "double_value", str: "string_value"}
        for name, value in properties.items():
            setattr(artifact.custom_properties[name], fields[type(value)], value)
        if kind is Model:
            add_manifest(artifact, "Model")
        (artifact.id,) = self.store.put_artifacts([artifact])
        return deserialize_artifact(mlmd.ArtifactType(name=kind.TYPE_NAME), artifact)

    def train(self, content=None):
        """A model whose files nobody else's are like, unless their content is given."""
        number = next(self._numbers)
        uri = self.folder / "artifacts" / "Trainer" / "model" / str(number)
        (uri / SERVING_MODEL / "variables").mkdir(parents=True)
        (uri / SERVING_MODEL / "saved_model.pb").write_text(content or f"model {number}" * 99)
        (uri / SERVING_MODEL / "variables" / "variables.index").write_text("index")
        model = self._artifact(Model, uri)
        self.channels["model"].append(model)
        return model

    def judge(self, model, blessed=1, class_names="abc", **properties):
        properties |= {"blessed": blessed, "class_names": class_names}
        blessing = self._artifact(ModelBlessing, current_model_id=model.id, **properties)
        self.channels["model_blessing"].append(blessing)
        return blessing

    def push(self, model, heard=True):
        """A push, of which ML Metadata `heard`, or which was killed after its rename."""
        numbers = [int(path.name) for path in self.serving.glob("*")]
        numbers += [
            each.get_int_custom_property(VERSION_PROPERTY) for each in self.channels["pushed_model"]
        ]
        version = max(numbers, default=100) + 1
        shutil.copytree(f"{model.uri}/{SERVING_MODEL}", self.serving / str(version))
        (self.serving / str(version) / "assets.extra").mkdir()
        (self.serving / str(version) / "assets.extra" / "model_card.json").write_text("{}")
        if heard:
            kept = self.folder / "artifacts" / "Pusher" / "pushed_model" / str(version)
            shutil.copytree(self.serving / str(version), kept)
            known = {VERSION_PROPERTY: version, MODEL_PROPERTY: model.id}
            self.channels["pushed_model"].append(self._artifact(PushedModel, kept, **known))
        return self.serving / str(version)

    def serve(self, **properties):
        """A model that was trained, judged and pushed."""
        model = self.train()
        self.judge(model, **properties)
        self.push(model)
        return model

    def place(self, **others):
        """What every strategy is given, and `others`."""
        return {
            "class_names": "abc",
            "serving": str(self.serving),
            "adopted": str(self.folder / "artifacts" / "BaselineModel" / "adopted"),
            **others,
        }

    def resolve(self, candidate=None, strategy=LastServedStrategy, **others):
        """Ids of the baseline and of what was found damaged, None where there is none."""
        given = {**self.channels, "candidate": [candidate] if candidate else []}
        resolved = strategy(**self.place(**others)).resolve_artifacts(self.store, given)
        assert resolved.keys() == given.keys()
        ids = [[artifact.id for artifact in resolved[name]] for name in ("model", "damaged")]
        return tuple(found[0] if found else None for found in ids)
