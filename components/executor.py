"""The base of our executors: TFX's lists and properties, as one artifact a name and the settings.

>>> from tfx.types.standard_artifacts import Examples
>>> class DrawSettings(Section):
...     side_px: int
>>> class Executor(SettingsExecutor[DrawSettings]):
...     SETTINGS = DrawSettings
...     def run(self, inputs, outputs, settings):
...         print(sorted(inputs), settings.side_px)
>>> Executor().Do({"examples": [Examples()], "model": []}, {}, {"settings": '{"side_px": 200}'})
['examples'] 200
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.section import Section

SettingsT = TypeVar("SettingsT", bound=Section)

Artifacts = Mapping[str, Any]
"""One TFX artifact by the name of its channel; a channel that is empty is absent."""


class SettingsExecutor(base_executor.BaseExecutor, Generic[SettingsT]):
    """Reads `settings`, the property of `components.component.Step`, and runs."""

    SETTINGS: ClassVar[type[Section]]

    def Do(  # noqa: N802  # TFX's name.
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs the step; called by TFX."""
        self._log_startup(input_dict, output_dict, exec_properties)
        settings: Any = self.SETTINGS.model_validate_json(exec_properties["settings"])
        self.run(_single(input_dict), _single(output_dict), settings)

    @abc.abstractmethod
    def run(self, inputs: Artifacts, outputs: Artifacts, settings: SettingsT) -> None:
        """Fills the outputs."""


def _single(artifacts: Mapping[str, list[Any]]) -> dict[str, Any]:
    return {
        name: artifact_utils.get_single_instance(found)
        for name, found in artifacts.items()
        if found
    }
