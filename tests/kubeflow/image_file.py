"""Reads a Dockerfile and a .dockerignore, as far as ours go, for the tests of the image."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::([+-])([^{}]*))?\})")


@dataclass(frozen=True)
class Instruction:
    """One instruction, its continuation lines joined."""

    keyword: str
    value: str

    def words(self) -> list[str]:
        """The value's words without its leading flags."""
        return [word for word in self.value.split() if not word.startswith("--")]

    def flags(self) -> dict[str, str]:
        """The flags, `--from=build` as {"from": "build"}."""
        found = (word[2:].partition("=") for word in self.value.split() if word.startswith("--"))
        return {name: value for name, _, value in found}


@dataclass
class Stage:
    """A FROM and what follows it."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, keyword: str) -> list[Instruction]:
        """The instructions of this kind, in order."""
        return [each for each in self.instructions if each.keyword == keyword]

    def pairs(self, keyword: str) -> dict[str, str]:
        """`NAME=value` of all its ENV, LABEL or ARG instructions; ARG without value gives ""."""
        found: dict[str, str] = {}
        for each in self.all(keyword):
            for name, quoted, plain in re.findall(
                r'([\w.]+)(?:=(?:"([^"]*)"|(\S*)))?(?=\s|$)', each.value
            ):
                found[name] = quoted or plain
        return found


def parse(text: str) -> tuple[dict[str, str], list[Stage]]:
    """The ARGs before the first FROM, and the stages."""
    joined = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", joined)
    head, stages = Stage("", ""), list[Stage]()
    for line in filter(str.strip, joined.splitlines()):
        keyword, _, value = line.strip().partition(" ")
        if keyword == "FROM":
            base, _, name = value.partition(" AS ")
            stages.append(Stage(base, name))
        else:
            (stages[-1] if stages else head).instructions.append(
                Instruction(keyword, value.strip())
            )
    return head.pairs("ARG"), stages


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replaces $NAME, ${NAME}, ${NAME:-word} and ${NAME:+word}."""

    def value(match: re.Match[str]) -> str:
        known = variables.get(match[1] or match[2], "")
        if match[3] == "+":
            return match[4] if known else ""
        return known or (match[4] if match[3] == "-" else "")

    return _VARIABLE.sub(value, text)


class Ignore:
    """A .dockerignore: the last pattern that matches a path, or a folder above it, decides."""

    def __init__(self, text: str) -> None:
        lines = (line.strip() for line in text.splitlines())
        self._patterns = [
            (_regex(line.lstrip("!").strip("/")), not line.startswith("!"))
            for line in lines
            if line and not line.startswith("#")
        ]

    def keeps(self, path: str) -> bool:
        """Whether the builder gets `path`, which is relative to the context."""
        above = [path, *(str(parent) for parent in Path(path).parents)][:-1]
        kept = True
        for pattern, ignores in self._patterns:
            if any(pattern.fullmatch(each) for each in above):
                kept = not ignores
        return kept


def _regex(pattern: str) -> re.Pattern[str]:
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.findall(r"\*\*/|\*\*|\*|\?|\[[^]]*\]|[^*?[]+", pattern)
    return re.compile(
        "".join(parts.get(t, t if t.startswith("[") else re.escape(t)) for t in tokens)
    )
