"""The base of every section of the configuration, the word `auto`, and readable errors.

>>> class Example(Section):
...     name: Annotated[str, matching("[a-z]+", "a word of lower-case letters")]
...     epochs: Annotated[Auto | Annotated[int, VALUE], AUTO_OR] = "auto"
>>> Example(name="flowers", epochs=5).epochs
5
>>> Example(name="Flowers!")
Traceback (most recent call last):
...
pydantic_core._pydantic_core.ValidationError: 1 validation error for Example
name
  must be a word of lower-case letters ...
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """Typed, frozen values; an unknown key or a wrong type is refused.

    Strict: `"64"` is not an integer and `true` is not a number. The description of a field is its
    documentation in docs/reference/configuration.md.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Ratio = Annotated[float, Field(ge=0, le=1)]
Names = Annotated[tuple[str, ...], Field(strict=False)]
"""A list will do."""


def matching(pattern: str, what: str) -> AfterValidator:
    """Validates a text by a regular expression, which its error does not show.

    Args:
      pattern: that the whole text must match.
      what: the end of the error's sentence "must be ...".
    """

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise PydanticCustomError("text", "must be {what}", {"what": what})
        return text

    return AfterValidator(check)


def union_by_type(
    by_type: Mapping[str, type | tuple[type, ...]], error_type: str, message: str
) -> Discriminator:
    """Selects the branch of a union by the type of the given value.

    Without it, pydantic reports a mistake in one branch as a mistake in each of them.

    Args:
      by_type: the types of each branch by its tag, which has the form `<name>`.
      error_type: pydantic's name of the error for a value of another type.
      message: the text of that error.
    """

    def tag(given: Any) -> str | None:
        return next((name for name, types in by_type.items() if isinstance(given, types)), None)

    return Discriminator(tag, custom_error_type=error_type, custom_error_message=message)


def _auto_or_value(given: Any) -> str:
    return "<auto>" if given == "auto" else "<value>"


AUTO_OR = Discriminator(_auto_or_value)
"""Selects between `Auto` and a value."""
Auto = Annotated[Literal["auto"], Tag("<auto>")]
"""The value is chosen from the data or the schedule."""
VALUE = Tag("<value>")
