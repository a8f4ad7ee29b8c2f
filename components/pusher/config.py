"""The `push` section.

>>> PushConfig().keep_last is None
True
"""

from __future__ import annotations

from pydantic import Field

from components.section import Section


class PushConfig(Section):
    """How a model is pushed, and what is left in `serving` after it."""

    keep_last: int | None = Field(
        None,
        ge=1,
        description="The number of versions that stay in `serving`: a push removes the oldest "
        "beyond it, those that were rolled back too. null removes none.",
    )
    signing_key: str | None = Field(
        None,
        min_length=1,
        description="The file of a private key in PEM, on the curve P-256, P-384 or P-521: pushed "
        "models are signed with it (OpenSSF model signing), as `model.sig` in their folder. The "
        "password of an encrypted key is in the environment variable BIT_TFX_SIGNING_PASSWORD. "
        "null signs nothing.",
    )
