"""The base of every section of the configuration, and the word `auto`."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Tag


class Section(BaseModel):
    """Typed, frozen values; an unknown key or a wrong type is refused.

    Strict: `"64"` is no integer and `true` is no number. A field's description is its documentation
    in docs/configuration.md.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _auto_or_value(given: Any) -> str:
    return "<auto>" if given == "auto" else "<value>"


# By hand, so that a mistake is not told twice, as no number and as no word.
AUTO_OR = Discriminator(_auto_or_value)
"""Tells `Auto | Value` apart."""
Auto = Annotated[Literal["auto"], Tag("<auto>")]
"""The value is settled from the data, or by the schedule."""
VALUE = Tag("<value>")
