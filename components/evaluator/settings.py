"""All that the Evaluator is told, as one value in its execution properties."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.evaluator.config import EvaluationConfig
from components.section import Section


class EvaluatorSettings(Section):
    """The gates, and what they are applied to.

    Attributes:
      evaluation: the section of the configuration.
      class_names: names by class index.
      evaluation_data: digest of the judged split; models are compared on the same data alone.
    """

    evaluation: EvaluationConfig
    class_names: Annotated[tuple[str, ...], Field(strict=False)]
    evaluation_data: str
