"""Which model a warm start begins from."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from ml_metadata.proto import metadata_store_pb2

from components.evaluator.baseline import LastBlessedStrategy

_MODEL, _BLESSING = "model", "model_blessing"
_Event = metadata_store_pb2.Event


class BaseModelStrategy(LastBlessedStrategy):
    """The model that passed its gates last; where it learned from the data at hand, its own base.

    Else each run on unchanged data would begin from the model of the one before: the Trainer would
    never be cached, and would go on for ever.

    Args:
      class_names: digest of the classes.
      fingerprint: of the data that is learned from now.
    """

    def __init__(self, class_names: str, fingerprint: str):
        super().__init__(class_names)
        self._fingerprint = fingerprint

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[Any]]
    ) -> dict[str, list[Any]]:
        """One Model or none (called by TFX's Resolver).

        Args:
          store: the ML Metadata store.
          input_dict: all artifacts by channel, `model` and `model_blessing`.
        """
        last = super().resolve_artifacts(store, input_dict)
        if not last[_MODEL]:
            return last
        read = _read_by_its_trainer(store, last[_MODEL][0].id)
        examples = store.get_artifacts_by_id(sorted(read["examples"]))
        learned_from = {each.custom_properties["fingerprint"].string_value for each in examples}
        if self._fingerprint not in learned_from:
            return last
        bases = [model for model in input_dict[_MODEL] if model.id in read["base_model"]]
        return {_MODEL: bases[:1], _BLESSING: []}


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
