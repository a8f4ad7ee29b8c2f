"""Which model a new one is compared with: one that serves or served, and never itself.

>>> channels = {name: [] for name in (MODEL, BLESSING, PUSHED, CANDIDATE)}
>>> strategy = LastServedStrategy("5f2a", serving="/out/serving", adopted="/out/adopted")
>>> strategy.resolve_artifacts(store=None, input_dict=channels) == channels  # No model serves.
True
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tfx.components.evaluator import constants
from tfx.dsl.components.common.resolver import ResolverStrategy

from components.errors import UserError
from components.lineage.adopt import ADOPTED_CLASSES, adopt
from components.lineage.artifacts import DAMAGED, damage_of, warn
from components.lineage.served import History, Served, restore
from components.storage import as_path

ACCURACY_PROPERTY = "accuracy"
DATA_PROPERTY = "evaluation_data"
CLASSES_PROPERTY = "class_names"
"""Custom properties that the Evaluator gives a blessing."""

MODEL, BLESSING, PUSHED, CANDIDATE = "model", "model_blessing", "pushed_model", "candidate"
STOP = "stop"
"""Value of `evaluation.missing_baseline`: no run continues without the model to compare with."""


class LastServedStrategy(ResolverStrategy):
    """The model that serves; where that is the candidate itself, the one that served before it.

    By the files in `serving`, and by the lineage where they are gone. A model that passed its
    gates and was never pushed does not count: otherwise a run that was killed before its push
    would be compared with its own model.

    Args:
      class_names: digest of the classes; a model of other classes cannot be compared.
      serving: the folder of versions.
      adopted: where a model that serves and is in no lineage is copied to.
      missing: `evaluation.missing_baseline`.
    """

    NODE = "BaselineModel"
    ADOPTS = True
    """Whether a model that is in no lineage is added to it."""

    def __init__(self, class_names: str, serving: str, adopted: str, missing: str = "floor"):
        self._class_names = class_names
        self._serving = as_path(serving)
        self._adopted = as_path(adopted)
        self._missing = missing

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[Any]]
    ) -> dict[str, list[Any]]:
        """One Model or none, and the same as `damaged` where its files were (called by Resolver).

        Args:
          store: the ML Metadata store.
          input_dict: all artifacts by channel: `model`, `model_blessing`, `pushed_model`; and
            `candidate`, this run's model.

        Raises:
          UserError: its files are damaged, no copy is whole, and `missing` is `stop`.
        """
        nothing: dict[str, list[Any]] = {name: [] for name in input_dict}
        chosen = self._choose(store, input_dict)
        if chosen is None:
            return nothing
        damage = damage_of(chosen, every_digest=True)
        if not damage:
            return {**nothing, MODEL: [chosen]}
        copy = restore(chosen, self._serving, input_dict[PUSHED])
        if copy is not None:
            warn(chosen, self.NODE, f"{damage}; it was filled again from its copy {copy}")
            return {**nothing, MODEL: [chosen], DAMAGED: [chosen]}
        if self._missing == STOP:
            raise UserError(
                f"{self._lost(damage)}, and evaluation.missing_baseline is stop: put the folder "
                "back, or add --set evaluation.missing_baseline=floor to go on without it."
            )
        warn(chosen, self.NODE, f"{self._lost(damage)}: {self._without()}")
        return {**nothing, DAMAGED: [chosen]}

    def _lost(self, damage: str) -> str:
        return f"the baseline is damaged and no whole copy of it is left ({damage})"

    def _without(self) -> str:
        return "the new model is judged without it, only by the floors"

    def _choose(self, store: Any, input_dict: dict[str, list[Any]]) -> Any | None:
        """The Model artifact to take, whatever its files are."""
        history = History(self._serving, input_dict[MODEL], input_dict[PUSHED])
        served = (each for each in history if not each.rolled_back)
        comparable = self._comparable(store, served, history, input_dict)
        return next((model for model, _ in comparable), None)

    def _comparable(
        self,
        store: Any,
        served: Iterator[Served],
        history: History,
        input_dict: dict[str, list[Any]],
    ) -> Iterator[tuple[Any, Served]]:
        """Models of these classes, but for the candidate, with the versions that they served as."""
        candidates = input_dict.get(CANDIDATE, [])
        judged = _judged_for(self._class_names, input_dict)
        of_these = {history.digest(m) for m in input_dict[MODEL] if m.id in judged} - {""}
        for each in served:
            model = each.model
            if model is None and each.folder is not None and self.ADOPTS:
                model = adopt(store, each.folder, self._class_names, self._adopted)
            if model is None or any(history.same(model, other) for other in candidates):
                continue
            if (
                model.id in judged
                or history.digest(model) in of_these
                or model.get_string_custom_property(ADOPTED_CLASSES) == self._class_names
            ):
                yield model, each


class BestServedStrategy(LastServedStrategy):
    """The most accurate model that ever served, as measured on the same evaluation data.

    Args:
      class_names: digest of the classes.
      serving: the folder of versions.
      adopted: where a model that serves and is in no lineage is copied to.
      missing: `evaluation.missing_baseline`.
      evaluation_data: digest of the split that is judged now.
    """

    # The accuracy of a model that is in no lineage is not known.
    ADOPTS = False

    def __init__(
        self, class_names: str, serving: str, adopted: str, evaluation_data: str, missing: str
    ):
        super().__init__(class_names, serving, adopted, missing)
        self._evaluation_data = evaluation_data

    def _choose(self, store: Any, input_dict: dict[str, list[Any]]) -> Any | None:
        history = History(self._serving, input_dict[MODEL], input_dict[PUSHED])
        models = {
            model.id: model
            for model, _ in self._comparable(store, iter(history), history, input_dict)
        }
        measured = [
            (blessing.get_float_custom_property(ACCURACY_PROPERTY), blessing.id, model)
            for blessing in input_dict[BLESSING]
            if blessing.get_string_custom_property(DATA_PROPERTY) == self._evaluation_data
            for model in models.values()
            if judged_model(blessing) == model.id
        ]
        return max(measured, key=lambda found: found[:2])[-1] if measured else None


def judged_model(blessing: Any) -> int:
    """Id of the model that a blessing is of."""
    key = constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY
    return int(blessing.get_int_custom_property(key))


def _judged_for(class_names: str, input_dict: dict[str, list[Any]]) -> set[int]:
    """Ids of the models of these classes: every model that served was judged before."""
    return {
        judged_model(blessing)
        for blessing in input_dict[BLESSING]
        if blessing.get_string_custom_property(CLASSES_PROPERTY) == class_names
    }
