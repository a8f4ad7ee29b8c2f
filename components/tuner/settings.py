"""The settings of the Tuner, as one value in its execution properties.

>>> from components.trainer.config import TrainingConfig
>>> from components.transform.config import ImageSizes
>>> trainer = TrainerSettings(
...     backbone_path="/weights/bit-mini", backbone_sha256="cb3d", trainable_parameters=None,
...     mode="head_only", class_names=("daisy", "rose"), num_train=100, num_eval=20,
...     sizes=ImageSizes(resize=160, evaluate=128, crop=128, flip=True),
...     training=TrainingConfig(),
... )
>>> search = SearchConfig(mode=("head_only", "full"), epochs=3)
>>> trial = TunerSettings(trainer=trainer, search=search).of_trial({"mode": "full"}, held_out=15)
>>> trial.mode, trial.training.epochs, trial.num_eval
('full', 3, 15)
"""

from __future__ import annotations

from typing import Any

from components.section import Section
from components.trainer.settings import TrainerSettings
from components.tuner.config import SearchConfig


class TunerSettings(Section):
    """The Trainer's settings, and what is searched.

    Attributes:
      trainer: the Trainer's settings, before anything was chosen.
      search: the section of the configuration.
    """

    trainer: TrainerSettings
    search: SearchConfig

    def of_trial(self, values: dict[str, Any], held_out: int) -> TrainerSettings:
        """The settings of one trial: it may be shorter, and runs in this process alone.

        Args:
          values: that are tried.
          held_out: images that it is judged on.
        """
        training = self.trainer.training
        limits = [limit for limit in (training.epochs, self.search.epochs) if limit is not None]
        # The Tuner has no other workers.
        strategy = "auto" if training.strategy == "multi_worker" else training.strategy
        chosen = {**values, "epochs": min(limits, default=None), "strategy": strategy}
        found = self.trainer.with_hyperparameters(chosen)
        return found.model_copy(update={"num_eval": held_out})
