"""The `backbone` section: which pre-trained network, and what of it is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Tag

from components.section import Section, union_by_type

SHIPPED = {"bit-mini": Path(__file__).resolve().parent / "bit_mini" / "bit-mini"}
"""Backbones that come with the package, by handle."""
SHIPPED_SHA256 = {"bit-mini": "cb3d341edb4883e14dd0dcfd7f5b120b7eb7a94af17f190f3bdd4a404071fe9d"}
"""What their files have; a preset that uses one need not say it."""

_Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


_Digests = Annotated[
    Annotated[_Digest, Tag("<folder>")]
    | Annotated[Annotated[dict[str, _Digest], Field(min_length=1)], Tag("<files>")],
    union_by_type(
        {"<folder>": str, "<files>": dict},
        "digests",
        "Input should be one SHA-256, or `{relative path: SHA-256}`",
    ),
]


class BackboneConfig(Section):
    """The pre-trained network; see [backbones.md](backbones.md)."""

    handle: str = Field(
        min_length=1,
        description="bit-mini (shipped), a directory with a SavedModel, local or gs://, a hub URL, "
        "or a Kaggle model, by its URL or as google/bit/tensorFlow2/m-r50x1/1 (TFHUB_CACHE_DIR is "
        "honoured, and may be gs:// too).",
    )
    mode: Literal["head_only", "full"] = Field(
        "head_only", description="Train the head on a frozen backbone, or the whole network."
    )
    sha256: _Digests | None = Field(
        None,
        description="What the backbone's files must have: one digest, as `find . -type f | "
        "LC_ALL=C sort | xargs sha256sum | sha256sum` prints it in its folder, or `{relative path: "
        "SHA-256}` with every file; null takes what is there.",
    )
    trainable_parameters: int | None = Field(
        None,
        ge=1,
        description="How many numbers the backbone must have to train in mode full; null takes "
        "what is there.",
    )
    licence: str | None = Field(
        None,
        min_length=1,
        description="Licence of the weights, for whoever reads of the model; known for bit-mini "
        "and google/bit.",
    )
