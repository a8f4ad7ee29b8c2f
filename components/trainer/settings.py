"""All that the Trainer is told, as one value in its execution properties."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from components.section import Section
from components.trainer.config import TrainingConfig
from components.transform.config import PreprocessingConfig


class TrainerSettings(Section):
    """The configuration that training depends on, and what was found on this machine."""

    backbone_path: str
    backbone_sha256: str
    mode: Literal["head_only", "full"]
    class_names: Annotated[tuple[str, ...], Field(strict=False)]
    preprocessing: PreprocessingConfig
    training: TrainingConfig
