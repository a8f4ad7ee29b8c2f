"""Which model a new one is compared with."""

from __future__ import annotations

from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.components.evaluator import constants
from tfx.dsl.components.common.resolver import ResolverStrategy

_MODEL, _BLESSING = "model", "model_blessing"


class LastBlessedStrategy(ResolverStrategy):
    """The model that passed its gates last.

    TFX's LatestBlessedModelStrategy takes the blessed model that was trained last. The two differ
    when a configuration comes back: its model is old, and its blessing is the newest.
    """

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[Any]]
    ) -> dict[str, list[Any]]:
        """One Model and its ModelBlessing, or none of either (called by TFX's Resolver).

        Args:
          store: the ML Metadata store.
          input_dict: all artifacts by channel, `model` and `model_blessing`.
        """
        models = {model.id: model for model in input_dict[_MODEL]}
        blessings = {
            blessing.id: blessing
            for blessing in input_dict[_BLESSING]
            if blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY) == 1
            and _judged(blessing) in models
        }
        if not blessings:
            return {_MODEL: [], _BLESSING: []}
        # A cached Evaluator makes no new blessing: it gives the old one again, in a new event.
        events = store.get_events_by_artifact_ids(list(blessings))
        given = [event for event in events if event.type == metadata_store_pb2.Event.OUTPUT]
        last = blessings[max(given, key=lambda event: event.execution_id).artifact_id]
        return {_MODEL: [models[_judged(last)]], _BLESSING: [last]}


def _judged(blessing: Any) -> int:
    key = constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY
    return int(blessing.get_int_custom_property(key))
