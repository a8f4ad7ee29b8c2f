"""All that DataGate is told, as one value in its execution properties."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.data_gate.config import DataGateConfig
from components.section import Section
from components.transform.config import WHITE, Colour


class DataGateSettings(Section):
    """The limits, and what they are applied to.

    Attributes:
      data_gate: the section of the configuration.
      split: the split that models are judged on.
      class_names: names by class index.
      span: number of these data.
      slices: `data.splits`, by split.
      background: RGB behind what is transparent.
    """

    data_gate: DataGateConfig
    split: str
    class_names: Annotated[tuple[str, ...], Field(strict=False)]
    span: int
    slices: dict[str, str] = Field(default_factory=dict)
    background: Annotated[Colour, Field(strict=False)] = WHITE
