"""Which model a new one is compared with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.components.evaluator import constants
from tfx.dsl.components.common.resolver import ResolverStrategy

ACCURACY_PROPERTY = "accuracy"
DATA_PROPERTY = "evaluation_data"
CLASSES_PROPERTY = "class_names"
"""Custom properties that the Evaluator gives a blessing."""

_MODEL, _BLESSING = "model", "model_blessing"


class LastBlessedStrategy(ResolverStrategy):
    """The model that passed its gates last.

    TFX's LatestBlessedModelStrategy takes the blessed model that was trained last. The two differ
    when a configuration comes back: its model is old, and its blessing is the newest.

    Args:
      class_names: digest of the classes; a model of other classes cannot be compared.
    """

    def __init__(self, class_names: str):
        self._class_names = class_names

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[Any]]
    ) -> dict[str, list[Any]]:
        """One Model and its ModelBlessing, or none of either (called by TFX's Resolver).

        Args:
          store: the ML Metadata store.
          input_dict: all artifacts by channel, `model` and `model_blessing`.
        """
        blessed = _blessed(input_dict, self._class_names)
        blessings = {blessing.id: blessing for blessing in blessed}
        if not blessings:
            return _resolved(input_dict, None)
        # A cached Evaluator makes no new blessing: it gives the old one again, in a new event.
        events = store.get_events_by_artifact_ids(list(blessings))
        given = [event for event in events if event.type == metadata_store_pb2.Event.OUTPUT]
        last = max(given, key=lambda event: event.execution_id)
        return _resolved(input_dict, blessings[last.artifact_id])


class BestBlessedStrategy(ResolverStrategy):
    """The most accurate model that ever passed its gates on the same evaluation data.

    Args:
      class_names: digest of the classes.
      evaluation_data: digest of the split that is judged now.
    """

    def __init__(self, class_names: str, evaluation_data: str):
        self._class_names = class_names
        self._evaluation_data = evaluation_data

    def resolve_artifacts(
        self,
        store: Any,
        input_dict: dict[str, list[Any]],
    ) -> dict[str, list[Any]]:
        """One Model and its ModelBlessing, or none of either (called by TFX's Resolver).

        Args:
          store: the ML Metadata store.
          input_dict: all artifacts by channel, `model` and `model_blessing`.
        """
        comparable = [
            blessing
            for blessing in _blessed(input_dict, self._class_names)
            if blessing.get_string_custom_property(DATA_PROPERTY) == self._evaluation_data
        ]
        best = max(comparable, key=_accuracy_and_age, default=None)
        return _resolved(input_dict, best)


def digest_of_classes(class_names: Sequence[str]) -> str:
    """Names a list of classes, their order included."""
    return hashlib.sha256(json.dumps(list(class_names)).encode()).hexdigest()


def _blessed(input_dict: dict[str, list[Any]], class_names: str) -> list[Any]:
    """Blessings of models of these classes that are still there."""
    models = {model.id for model in input_dict[_MODEL]}
    return [
        blessing
        for blessing in input_dict[_BLESSING]
        if blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY) == 1
        and blessing.get_string_custom_property(CLASSES_PROPERTY) == class_names
        and _judged(blessing) in models
    ]


def _resolved(input_dict: dict[str, list[Any]], blessing: Any) -> dict[str, list[Any]]:
    if blessing is None:
        return {_MODEL: [], _BLESSING: []}
    model = next(model for model in input_dict[_MODEL] if model.id == _judged(blessing))
    return {_MODEL: [model], _BLESSING: [blessing]}


def _judged(blessing: Any) -> int:
    key = constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY
    return int(blessing.get_int_custom_property(key))


def _accuracy_and_age(blessing: Any) -> tuple[float, int]:
    return blessing.get_float_custom_property(ACCURACY_PROPERTY), blessing.id
