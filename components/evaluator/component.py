"""GatedEvaluator, the TFX component.

>>> from tfx.types import Channel
>>> from components.evaluator.config import EvaluationConfig, EvaluatorSettings
>>> settings = EvaluatorSettings(
...     evaluation=EvaluationConfig(min_accuracy=0.9),
...     class_names=("daisy", "rose"),
...     evaluation_data="77aa",
... )
>>> channels = {name: Channel(type=kind) for name, kind in GatedEvaluator.INPUTS.items()}
>>> node = GatedEvaluator(settings, "9c1b", **channels)
>>> node.id, sorted(node.outputs)
('Evaluator', ['blessing', 'evaluation'])
"""

from __future__ import annotations

from typing import ClassVar

from tfx.types import standard_artifacts as tfx
from tfx.types.system_executions import Evaluate

from components.component import BeamStep, Types
from components.evaluator.executor import Executor


class GatedEvaluator(BeamStep):
    """A TFMA evaluation and the verdict of `components.evaluator.gates` on it.

    Slice features come from the transform graph. Its settings are `EvaluatorSettings`.
    """

    ID = "Evaluator"
    EXECUTOR = Executor
    EXECUTION = Evaluate
    INPUTS: ClassVar[Types] = {
        "examples": tfx.Examples,
        "transform_graph": tfx.TransformGraph,
        "model": tfx.Model,
    }
    OPTIONAL: ClassVar[Types] = {"baseline_model": tfx.Model}
    OUTPUTS: ClassVar[Types] = {"evaluation": tfx.ModelEvaluation, "blessing": tfx.ModelBlessing}
