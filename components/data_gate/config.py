"""The `data_gate` section: what about the data stops a run before it trains.

>>> DataGateConfig(max_imbalance=20.0).anomalies
'stop'
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from components.section import Names, Ratio, Section
from components.transform.config import WHITE, Colour

Action = Literal["stop", "report"]


class DataGateConfig(Section):
    """Limits. What is only reported is in the summary, the log and the report."""

    max_reject_fraction: Ratio = Field(
        0.01, description="Share of the images read that may be set aside (data.screen), at most."
    )
    anomalies: Action = Field(
        "stop",
        description="What TFDV finds against the schema, drift and skew by a curated schema's own "
        "comparators included.",
    )
    max_label_drift: Ratio | None = Field(
        None,
        description="How far the share of any class in the train split may be from that in the "
        "last span that passed (L-infinity); null only reports.",
    )
    max_label_skew: Ratio | None = Field(
        None,
        description="How far the share of any class in the train split may be from that in the "
        "judged split of the same span (L-infinity); null only reports.",
    )
    missing_classes: Action = Field(
        "stop",
        description="A class that has images, and none in the train or none in the judged split: "
        "what trains and is not judged can be wrong and pass.",
    )
    max_imbalance: Annotated[float, Field(ge=1)] | None = Field(
        None,
        description="Images of the largest class in the train split for one of the smallest, at "
        "most; null only reports.",
    )
    duplicates: Action = Field("report", description="The same bytes in two splits.")
    near_duplicates: Action = Field(
        "report",
        description="Images of two splits whose perceptual hashes differ in at most "
        "`near_distance` of 64 bits.",
    )
    looks: Action = Field(
        "report",
        description="A class or a split that differs from the others by more than 20 % of its "
        "images in transparency, or in how many are turned by their orientation. Images of one "
        "colour are only reported.",
    )
    near_distance: Annotated[int, Field(ge=0, le=3)] = Field(
        0,
        description="Bits that may differ. 0 finds nine of ten photographs that were re-encoded or "
        "resized, 2 nearly all; more finds retouched ones too, and some that only look alike.",
    )


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
    class_names: Names
    span: int
    slices: dict[str, str] = Field(default_factory=dict)
    background: Annotated[Colour, Field(strict=False)] = WHITE
