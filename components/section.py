"""The base of every section of the configuration."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Typed, frozen values; an unknown key or a wrong type is refused.

    Strict: `"64"` is no integer and `true` is no number. A field's description is its documentation
    in docs/configuration.md.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
