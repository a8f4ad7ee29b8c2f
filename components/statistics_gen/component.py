"""ImageStatisticsGen, the TFX component.

>>> import tensorflow_data_validation as tfdv
>>> from tfx.types import Channel
>>> node = ImageStatisticsGen(tfdv.StatsOptions(), "9c1b", Channel(type=tfx.Examples))
>>> node.id, list(node.outputs)
('StatisticsGen', ['statistics'])
"""

from __future__ import annotations

from typing import Any, ClassVar

import tensorflow_data_validation as tfdv
from tfx.types import BaseChannel
from tfx.types import standard_artifacts as tfx
from tfx.types.system_executions import Process

from components.component import BeamStep, Types
from components.statistics_gen.executor import Executor


class ImageStatisticsGen(BeamStep):
    """TFDV's statistics of all splits, as TFX's StatisticsGen gives them."""

    ID = "StatisticsGen"
    EXECUTOR = Executor
    EXECUTION = Process
    INPUTS: ClassVar[Types] = {"examples": tfx.Examples}
    OUTPUTS: ClassVar[Types] = {"statistics": tfx.ExampleStatistics}
    PROPERTIES: ClassVar[dict[str, Any]] = {"stats_options": str, "code": str}

    def __init__(self, options: tfdv.StatsOptions, code: str, examples: BaseChannel):
        """Makes the node.

        Args:
          options: what is computed, of every split.
          code: digest of the modules that the step runs (`pipeline.inputs.code`).
          examples: channel of them.
        """
        self._make({"examples": examples}, stats_options=options.to_json(), code=code)
