"""The `backbone` section: which pre-trained network, and what of it is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from components.section import Section

SHIPPED = {"bit-mini": Path(__file__).resolve().parent / "bit_mini" / "bit-mini"}
"""Backbones that come with the package, by handle."""


class BackboneConfig(Section):
    """The pre-trained network."""

    handle: str = Field(
        min_length=1,
        description="bit-mini (shipped), a directory with a SavedModel, local or gs://, or a hub "
        "URL (TFHUB_CACHE_DIR is honoured, and may be gs:// too).",
    )
    mode: Literal["head_only", "full"] = Field(
        "head_only", description="Train the head on a frozen backbone, or the whole network."
    )
    sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="Digest that the backbone's files must have, as `find . -type f | LC_ALL=C "
        "sort | xargs sha256sum | sha256sum` prints it in its folder; null takes what is there.",
    )
