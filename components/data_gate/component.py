"""DataGate, the TFX component.

>>> from tfx.types import Channel
>>> from components.data_gate.config import DataGateConfig, DataGateSettings
>>> settings = DataGateSettings(
...     data_gate=DataGateConfig(), split="eval", class_names=("daisy", "rose"), span=1
... )
>>> channels = {name: Channel(type=kind) for name, kind in DataGate.INPUTS.items()}
>>> list(DataGate(settings, "9c1b", **channels).outputs)
['checks']
"""

from __future__ import annotations

from typing import ClassVar

from tfx.types import standard_artifacts as tfx

from components.artifacts import DataChecks, ImageIndex, Quarantine
from components.component import Step, Types
from components.data_gate.executor import Executor


class DataGate(Step):
    """What is wrong with the data stops the run before it trains.

    ExampleValidator never stops one (tensorflow/tfx-addons#153). `OPTIONAL` is from the data that
    passed before. Its settings are `DataGateSettings`.
    """

    EXECUTOR = Executor
    INPUTS: ClassVar[Types] = {
        "examples": tfx.Examples,
        "index": ImageIndex,
        "quarantine": Quarantine,
        "statistics": tfx.ExampleStatistics,
        "schema": tfx.Schema,
        "anomalies": tfx.ExampleAnomalies,
    }
    OPTIONAL: ClassVar[Types] = {
        "previous_statistics": tfx.ExampleStatistics,
        "previous_checks": DataChecks,
    }
    OUTPUTS: ClassVar[Types] = {"checks": DataChecks}
