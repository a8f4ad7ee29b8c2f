"""Everything that the Trainer is given, as one value in its execution properties.

>>> settings = TrainerSettings(
...     backbone_path="/weights/bit-mini", backbone_sha256="cb3d", trainable_parameters=None,
...     mode="head_only", class_names=("daisy", "rose"),
...     sizes=ImageSizes(resize=160, evaluate=128, crop=128, flip=True),
...     training=TrainingConfig(), num_train=100, num_eval=20,
... )
>>> settings.with_hyperparameters({"mode": "full", "mixup": 0.1}).training.mixup
0.1
>>> TrainerSettings.model_validate_json(settings.model_dump_json()) == settings
True
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

from components.example_gen.counts import Counts
from components.section import Names, Section
from components.trainer.config import TrainingConfig
from components.transform.config import Bounds, ImageSizes


class TrainerSettings(Section):
    """The configuration that training depends on, and the resolved inputs.

    Attributes:
      backbone_path: folder of the backbone's SavedModel.
      backbone_sha256: digest of its files.
      trainable_parameters: number of parameters that it must have in mode full.
      mode: what is trained.
      class_names: names by class index.
      sizes: of the images.
      training: the `training` section.
      num_train: images of the train split; until the step reads the counts, those before the
        screen.
      num_eval: the same for the eval split.
      bounds: of the images that the served model decodes.
      min_confidence: the least probability with which the served model names a class; None names
        always.
    """

    backbone_path: str
    backbone_sha256: str
    trainable_parameters: int | None
    mode: Literal["head_only", "full"]
    class_names: Names
    sizes: ImageSizes
    training: TrainingConfig
    num_train: int
    num_eval: int
    bounds: Bounds = Bounds()
    min_confidence: float | None = None

    def with_counts(self, counts: Counts) -> TrainerSettings:
        """These settings with the numbers of images that passed the screen."""
        passed = {"num_train": counts["train"].kept, "num_eval": counts["eval"].kept}
        return self.model_copy(update=passed)

    def with_hyperparameters(self, chosen: dict[str, Any]) -> TrainerSettings:
        """These settings with the values that a search chose.

        Args:
          chosen: `mode`, `crop`, and keys of `training`.
        """
        values = self.model_dump(mode="json")
        sections = {"mode": values, "crop": values["sizes"]}
        for name, value in chosen.items():
            sections.get(name, values["training"])[name] = value
        return TrainerSettings.model_validate(values)


class Job(Section):
    """One training: its settings, inputs and outputs.

    Attributes:
      settings: with the values that a search chose.
      train_files: TFRecord files (gzip) of serialized tf.Examples.
      eval_files: the same for the eval split.
      transform_graph: the Transform step's output.
      base_model: folder of the SavedModel to start from; None starts from the backbone.
      code: digest of the code that trains.
      model_run: folder for the history.
      serving_model: folder for the SavedModel.
      checkpoints: the folder that holds every training's checkpoints.
    """

    settings: TrainerSettings
    train_files: Names
    eval_files: Names
    transform_graph: str
    code: str
    model_run: str
    serving_model: str
    checkpoints: str
    base_model: str | None = None

    @property
    def own_checkpoints(self) -> str:
        """The folder of this training's checkpoints, named by the digest of its inputs."""
        # The threshold is a part of the served model alone.
        values = self.model_dump_json(
            exclude={
                "settings": {"min_confidence"},
                "model_run": True,
                "serving_model": True,
                "checkpoints": True,
            }
        )
        return f"{self.checkpoints}/{hashlib.sha256(values.encode()).hexdigest()[:32]}"
