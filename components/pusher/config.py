"""The `push` section.

>>> PushConfig().keep_last is None
True
"""

from __future__ import annotations

from pydantic import Field

from components.section import Section


class PushConfig(Section):
    """What is left in `serving` after a push."""

    keep_last: int | None = Field(
        None,
        ge=1,
        description="The number of versions that stay in `serving`: a push removes the oldest "
        "beyond it, those that were rolled back too. null removes none.",
    )
