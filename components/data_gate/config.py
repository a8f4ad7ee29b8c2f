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
        0.01,
        description="The largest share of the images read that may be set aside (data.screen).",
    )
    anomalies: Action = Field(
        "stop",
        description="Anomalies that TFDV finds against the schema, including drift and skew by a "
        "curated schema's own comparators.",
    )
    max_label_drift: Ratio | None = Field(
        None,
        description="The largest accepted difference between a class's share of the train split "
        "and its share in the last span that passed (L-infinity); null only reports.",
    )
    max_label_skew: Ratio | None = Field(
        None,
        description="The largest accepted difference between a class's share of the train split "
        "and its share of the evaluation split (evaluation.split) of the same span (L-infinity); "
        "null only reports.",
    )
    missing_classes: Action = Field(
        "stop",
        description="A class that has images, but none in the train or none in the evaluation "
        "split: the model can fail on a class that is never evaluated, and still pass.",
    )
    max_imbalance: Annotated[float, Field(ge=1)] | None = Field(
        None,
        description="The largest accepted ratio between the sizes of the largest and the smallest "
        "class of the train split that has images; null only reports.",
    )
    duplicates: Action = Field("report", description="The same bytes in two splits.")
    near_duplicates: Action = Field(
        "report",
        description="Images of two splits whose perceptual hashes differ in at most "
        "`near_distance` of 64 bits.",
    )
    looks: Action = Field(
        "report",
        description="A class or a split whose share of transparent images, or of images turned by "
        "their orientation, differs from the others' by more than 20 percentage points. Images of "
        "one colour are only reported.",
    )
    near_distance: Annotated[int, Field(ge=0, le=3)] = Field(
        0,
        description="The number of bits that may differ. 0 finds about nine of ten photographs "
        "that were re-encoded or resized, 2 nearly all; 3 also finds retouched ones, and more "
        "false matches.",
    )


class DataGateSettings(Section):
    """The limits, and what they are applied to.

    Attributes:
      data_gate: the section of the configuration.
      split: the split that models are evaluated on.
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
