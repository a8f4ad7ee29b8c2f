"""OptunaTuner, the TFX component."""

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
