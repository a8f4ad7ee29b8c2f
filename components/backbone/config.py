"""The `backbone` section: the pre-trained network, and which part of it is trained.

>>> BackboneConfig(handle="bit-mini").mode
'head_only'
>>> BackboneConfig(handle="bit-mini", sha256="abc")
Traceback (most recent call last):
...
pydantic_core._pydantic_core.ValidationError: 1 validation error for BackboneConfig
sha256.<folder>
  must be a SHA-256: 64 digits 0-9 and a-f ...
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Tag

from components.section import Section, matching, union_by_type

SHIPPED = {"bit-mini": Path(__file__).resolve().parent / "bit_mini" / "bit-mini"}
"""Backbones that come with the package, by handle."""
SHIPPED_SHA256 = {"bit-mini": "cb3d341edb4883e14dd0dcfd7f5b120b7eb7a94af17f190f3bdd4a404071fe9d"}
"""SHA-256 of their files, so that presets need not give it."""

_Digest = Annotated[str, matching("[0-9a-f]{64}", "a SHA-256: 64 digits 0-9 and a-f")]


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
    """The pre-trained network; see [backbones.md](../how-to/backbones.md)."""

    handle: str = Field(
        min_length=1,
        description="The pre-trained network: bit-mini (shipped); a folder with a SavedModel, "
        "local or gs://; a TF Hub URL; or a Kaggle model, as a URL or "
        "google/bit/tensorFlow2/m-r50x1/1. Downloads are stored in TFHUB_CACHE_DIR, which may be "
        "gs:// too.",
    )
    mode: Literal["head_only", "full"] = Field(
        "head_only",
        description="What to train: `head_only`, the head on a frozen backbone, or `full`, the "
        "whole network.",
    )
    sha256: _Digests | None = Field(
        None,
        description="The SHA-256 that the backbone's files must have: one digest, as `find . -type "
        "f | LC_ALL=C sort | xargs sha256sum | sha256sum` prints it in its folder, or `{relative "
        "path: SHA-256}` for every file; null accepts any files.",
    )
    trainable_parameters: int | None = Field(
        None,
        ge=1,
        description="The number of trainable parameters that the backbone must have in mode full; "
        "null accepts any number.",
    )
    licence: str | None = Field(
        None,
        min_length=1,
        description="The licence of the weights, for the model card; known for bit-mini and "
        "google/bit.",
    )
