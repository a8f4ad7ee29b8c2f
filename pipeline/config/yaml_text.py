"""Reads YAML 1.2 as plain values; any text that is not valid gives an error in one sentence.

>>> parse_yaml("training: {base_learning_rate: 1e-3}", "mine.yaml")
{'training': {'base_learning_rate': 0.001}}
>>> parse_yaml("data: [1, 2", "mine.yaml")
Traceback (most recent call last):
...
components.errors.UserError: mine.yaml, line 1, column ... is not valid YAML: ...
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from components.errors import UserError

FILE_BYTES = 2_000_000
"""Largest file; a configuration with the names of 21,000 classes takes a third of it."""
_DEPTH = 50
_BRACKETS = re.compile(rf"((?:[\[{{][ \t]*){{{_DEPTH + 1}}})([\[{{ \t]+)")
"""More on a line than may be nested, unless they are in a comment or a text, and those behind."""
_NO_BRACKETS = str.maketrans("[{", "xx")
_VALUES = 60_000
"""Keys count too: the names of 21,000 classes and their keys are 42,000. The parser takes 2 s."""
_CHARACTERS = 8_000_000
"""Largest size of a text after its aliases (`&a`, and later `*a`) are expanded."""


def read_text(path: Path) -> str:
    """The text of a file, a pipe or a device.

    Raises:
      UserError: it cannot be read, is too large for a configuration, or is not UTF-8 text.
    """
    try:
        with path.open("rb") as stream:
            # A pipe has no known size, and a device no end.
            content = stream.read(FILE_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > FILE_BYTES:
        raise UserError(
            f"{path} is larger than {FILE_BYTES:,} bytes, so it is not a configuration."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: byte {error.start} is not valid.") from error


def parse_yaml(text: str, where: str) -> Any:
    """YAML 1.2 as plain values.

    Args:
      text: the YAML.
      where: the place, for errors.

    Raises:
      UserError: it is not valid, or too large for a configuration.
    """
    documents = parse_documents(text, where)
    if len(documents) > 1:
        raise UserError(
            f"{where} contains {len(documents)} documents (`---` begins one). Give one."
        )
    return documents[0] if documents else None


def parse_documents(text: str, where: str) -> list[Any]:
    """All documents of a YAML text; errors as in `parse_yaml`."""
    try:
        _check_size(text, where)
        yaml = YAML(typ="safe", pure=True)
        # Used again, an anchor names the later value; the library would print a warning.
        yaml.composer.warn_double_anchors = False
        return list(yaml.load_all(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = error.problem or error.context or "not valid"
        raise UserError(f"{where}{place} is not valid YAML: {problem.splitlines()[0]}.") from error
    except UserError:
        raise
    except Exception as error:  # The library raises many types for text that is not YAML.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{where} is not valid YAML: {reason}.") from error


def write_yaml(values: Mapping[str, Any], path: Path) -> None:
    """Writes plain values as YAML."""
    yaml = YAML()
    with path.open("w", encoding="utf-8") as stream:
        yaml.dump(dict(values), stream)


@dataclass
class _Size:
    """The size of a value after its aliases are expanded."""

    values: int = 1
    characters: int = 0
    depth: int = 0

    def add(self, part: _Size) -> None:
        """Adds a part of this value."""
        self.values += part.values
        self.characters += part.characters
        self.depth = max(self.depth, part.depth + 1)


def _check_size(text: str, where: str) -> None:
    """Refuses a text that expands to billions of values, or contains itself.

    It counts the parser's events, which do not expand aliases.
    """
    # The parser looks at a thousand brackets of a line at once, which takes seconds. Those before
    # are enough to be refused, if they are any.
    text = _BRACKETS.sub(lambda found: found[1] + found[2].translate(_NO_BRACKETS), text)
    has_aliases = False
    anchors: dict[str | None, _Size] = {}
    anchored: list[str | None] = []
    opened = [_Size()]
    for event in YAML(typ="safe", pure=True).parse(text):
        if isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            opened.append(_Size())
            # A list that contains itself uses an anchor that is not closed: infinitely deep.
            anchors[event.anchor] = _Size(depth=_DEPTH)
            anchored.append(event.anchor)
        elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            anchors[anchored.pop()] = opened[-1]
            part = opened.pop()
            opened[-1].add(part)
        elif isinstance(event, ScalarEvent):
            anchors[event.anchor] = _Size(characters=len(event.value))
            opened[-1].add(anchors[event.anchor])
        elif isinstance(event, AliasEvent):
            has_aliases = True
            # An unknown alias is reported when the values are built.
            opened[-1].add(anchors.get(event.anchor, _Size()))
        _check(opened, where, has_aliases)


def _check(opened: list[_Size], where: str, has_aliases: bool) -> None:
    whole, depth = opened[-1], len(opened) - 1 + opened[-1].depth
    if depth > _DEPTH:
        raise UserError(f"{where} is not valid: its values are nested more than {_DEPTH} deep.")
    if whole.values > _VALUES or whole.characters > _CHARACTERS:
        raise UserError(
            f"{where} is not valid: {'its aliases expand it to' if has_aliases else 'it has'} more "
            f"than {_VALUES:,} values or {_CHARACTERS:,} characters, too many for a configuration."
        )
