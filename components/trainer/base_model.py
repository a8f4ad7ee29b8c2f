"""Which model a warm start begins from."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from ml_metadata.proto import metadata_store_pb2

from components.lineage.baseline import MODEL, LastServedStrategy

_Event = metadata_store_pb2.Event


class BaseModelStrategy(LastServedStrategy):
    """The model that serves; where it learned from the data at hand, its own base.

    Else each run on unchanged data would begin from the model of the one before: the Trainer would
    never be cached, and would go on for ever.

    Args:
      class_names: digest of the classes.
      serving: the folder of versions.
      adopted: where a model that serves and is in no lineage is copied to.
      fingerprint: of the data that is learned from now.
      missing: `evaluation.missing_baseline`.
    """

    NODE = "WarmStart"

    def __init__(
        self,
        class_names: str,
        serving: str,
        adopted: str,
        fingerprint: str,
        missing: str = "floor",
    ):
        super().__init__(class_names, serving, adopted, missing)
        self._fingerprint = fingerprint

    def _lost(self, damage: str) -> str:
        return (
            "training.warm_start: the model to start from is damaged and no whole copy of it is "
            f"left ({damage})"
        )

    def _without(self) -> str:
        return "the training starts from the backbone"

    def _choose(self, store: Any, input_dict: dict[str, list[Any]]) -> Any | None:
        last = super()._choose(store, input_dict)
        if last is None:
            return None
        read = _read_by_its_trainer(store, last.id)
        examples = store.get_artifacts_by_id(sorted(read["examples"]))
        learned_from = {each.custom_properties["fingerprint"].string_value for each in examples}
        if self._fingerprint not in learned_from:
            return last
        bases = (model for model in input_dict[MODEL] if model.id in read["base_model"])
        return next(bases, None)


def _read_by_its_trainer(store: Any, model_id: int) -> dict[str, set[int]]:
    """Ids of the artifacts that the step which made a model had read, by the input's name."""
    made = [
        event.execution_id
        for event in store.get_events_by_artifact_ids([model_id])
        if event.type == _Event.OUTPUT
    ]
    read: dict[str, set[int]] = defaultdict(set)
    for event in store.get_events_by_execution_ids(made):
        if event.type == _Event.INPUT:
            read[event.path.steps[0].key].add(event.artifact_id)
    return read
