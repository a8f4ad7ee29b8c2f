"""The base of every section of the configuration, and the word `auto`."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag


class Section(BaseModel):
    """Typed, frozen values; an unknown key or a wrong type is refused.

    Strict: `"64"` is no integer and `true` is no number. A field's description is its documentation
    in docs/configuration.md.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Ratio = Annotated[float, Field(ge=0, le=1)]


def union_by_type(
    by_type: Mapping[str, type | tuple[type, ...]], error_type: str, message: str
) -> Discriminator:
    """Tells the branches of a union apart by the type of what is given.

    By hand, so that a mistake in one branch is not told as a mistake in all.

    Args:
      by_type: the types of each branch by its tag, which is of the form `<name>`.
      error_type: pydantic's name of the error for what is of no branch.
      message: its text.
    """

    def tag(given: Any) -> str | None:
        return next((name for name, types in by_type.items() if isinstance(given, types)), None)

    return Discriminator(tag, custom_error_type=error_type, custom_error_message=message)


def _auto_or_value(given: Any) -> str:
    return "<auto>" if given == "auto" else "<value>"


AUTO_OR = Discriminator(_auto_or_value)
"""Tells `Auto | Value` apart."""
Auto = Annotated[Literal["auto"], Tag("<auto>")]
"""The value is settled from the data, or by the schedule."""
VALUE = Tag("<value>")
