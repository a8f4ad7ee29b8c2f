"""ModelCheck, the TFX component.

>>> from tfx.types import Channel
>>> from components.model_check.config import ModelCheckSettings, ServingConfig
>>> settings = ModelCheckSettings(
...     serving=ServingConfig(max_latency_ms=200), split="eval", class_names=("daisy", "rose"),
...     side=224, pipeline="flowers",
... )
>>> channels = {name: Channel(type=kind) for name, kind in ModelCheck.INPUTS.items()}
>>> node = ModelCheck(settings, "9c1b", **channels)
>>> node.id, sorted(node.outputs)
('ModelCheck', ['blessing'])
"""

from __future__ import annotations

from typing import ClassVar

from tfx.types import standard_artifacts as tfx

from components.component import Step, Types
from components.model_check.executor import Executor


class ModelCheck(Step):
    """Whether a process of TensorFlow alone can serve the model, as TFX's InfraBlessing.

    Its settings are `ModelCheckSettings`.
    """

    EXECUTOR = Executor
    INPUTS: ClassVar[Types] = {
        "examples": tfx.Examples,
        "model": tfx.Model,
        "evaluation": tfx.ModelEvaluation,
        "model_blessing": tfx.ModelBlessing,
    }
    OUTPUTS: ClassVar[Types] = {"blessing": tfx.InfraBlessing}
