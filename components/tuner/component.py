"""OptunaTuner, the TFX component.

>>> from tfx.types import Channel
>>> from components.trainer.config import TrainingConfig
>>> from components.trainer.settings import TrainerSettings
>>> from components.transform.config import ImageSizes
>>> from components.tuner.config import SearchConfig
>>> from components.tuner.settings import TunerSettings
>>> trainer = TrainerSettings(
...     backbone_path="/weights/bit-mini", backbone_sha256="cb3d", trainable_parameters=None,
...     mode="head_only", class_names=("daisy", "rose"), num_train=100, num_eval=20,
...     sizes=ImageSizes(resize=160, evaluate=128, crop=128, flip=True),
...     training=TrainingConfig(),
... )
>>> settings = TunerSettings(trainer=trainer, search=SearchConfig(mode=("head_only", "full")))
>>> channels = {name: Channel(type=kind) for name, kind in OptunaTuner.INPUTS.items()}
>>> sorted(OptunaTuner(settings, "9c1b", **channels).outputs)
['best_hyperparameters', 'tuner_results']
"""

from __future__ import annotations

from typing import ClassVar

from tfx.types import standard_artifacts as tfx

from components.component import Step, Types
from components.tuner.executor import Executor


class OptunaTuner(Step):
    """Hyper-parameters for the Trainer, by short trainings on a part of the train split.

    Trials start from `base_model`, as the Trainer will. Its settings are `TunerSettings`.
    """

    ID = "Tuner"
    EXECUTOR = Executor
    INPUTS: ClassVar[Types] = {"examples": tfx.Examples, "transform_graph": tfx.TransformGraph}
    OPTIONAL: ClassVar[Types] = {"base_model": tfx.Model}
    OUTPUTS: ClassVar[Types] = {
        "best_hyperparameters": tfx.HyperParameters,
        "tuner_results": tfx.TunerResults,
    }
