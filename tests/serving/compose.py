"""The file for Docker Compose: read as Compose reads it."""

import re

from ruamel.yaml import YAML

from components.process import ROOT

FILE = ROOT / "serving" / "compose.yaml"


def interpolated(text, **given):
    """With `${NAME:-default}` and `${NAME:?what it is}` filled in."""

    def value(match):
        name, kind, rest = match.groups()
        assert name in given or kind == "-", f"{name}: {rest}"
        return given.get(name, rest)

    return re.sub(r"\$\{(\w+):([-?])([^}]*)\}", value, text)


def compose(**given):
    """The file's document, merge keys resolved."""
    text = interpolated(FILE.read_text(encoding="utf-8"), **given)
    return YAML(typ="safe", pure=True).load(text)
