"""Selects the model that a warm start begins from.

>>> strategy = BaseModelStrategy(
...     class_names="3f0a", serving="/out/serving", adopted="/out/adopted", fingerprint="9c1b"
... )
>>> strategy.NODE  # Its Resolver node in the pipeline.
'WarmStart'
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from ml_metadata.proto import metadata_store_pb2

from components.lineage.baseline import MODEL, LastServedStrategy

_Event = metadata_store_pb2.Event


class BaseModelStrategy(LastServedStrategy):
    """Chooses the serving model; if it was trained on the current data, its own base model.

    Otherwise each run on unchanged data would start from the previous run's model: the Trainer
    would never be cached, and would train on the same data again and again.

    Args:
      class_names: digest of the class names.
      serving: the folder of versions.
      adopted: the folder to which a serving model without lineage is copied.
      fingerprint: of the current training data.
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
            "training.warm_start: the model to start from is damaged, and no intact copy of it "
            f"is left ({damage})"
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
    """Ids of the artifacts that the step which made a model read, by input name."""
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
