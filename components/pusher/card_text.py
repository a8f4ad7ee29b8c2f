"""A model's card as JSON, for programs, and as Markdown, for people.

>>> code("a `quoted` name")
'``a `quoted` name``'
>>> interval(Measured(0.9, lower=0.85, upper=0.94))
'0.8500 to 0.9400'
>>> list(rows({"schedule": {"steps": 40}}))
[('schedule.steps', '40')]
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
from pydantic_core import to_jsonable_python

from components.evaluator.gates import Measured
from components.finite import finite, to_json
from components.pusher.card import ModelCard

_HERE = Path(__file__).parent
_NOTHING = "\N{EN DASH}"
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")
_SPECIAL = re.compile(
    # What CommonMark or GitHub take for markup, but not the _ and the . inside of words.
    r"[\\`*\[\]<>|~&$@]|(?<![^\W_])_|_(?![^\W_])|(?<=:)/(?=/)|(?i:(?<=www))\."
)


class Markup(str):
    """Text that is Markdown already."""


def render_json(card: ModelCard) -> str:
    """The card as JSON; a number that is not finite is null."""
    return to_json(to_jsonable_python(card), indent=1) + "\n"


def render_markdown(card: ModelCard) -> str:
    """The card as GitHub's Markdown; every text in it that is not the template's is escaped."""
    return _environment().get_template("model_card.md.j2").render(card=card)


def escape(text: Any) -> Markup:
    """A text on one line that no Markdown reader takes for markup, in a table or in a sentence.

    Not at the beginning of a line: `1.` is a list there.
    """
    return Markup(_SPECIAL.sub(r"\\\g<0>", _one_line(text)))


def code(text: Any) -> Markup:
    """A text as code in a cell of a table."""
    line = _one_line(text)
    if not line:
        return Markup(_NOTHING)
    longest = max(map(len, re.findall("`+", line)), default=0)
    fence, pad = "`" * (longest + 1), " " if "`" in (line[0], line[-1]) else ""
    return Markup(fence + pad + line.replace("|", r"\|") + pad + fence)


def number(value: float | None) -> str:
    """Four decimals, as in the report; the JSON has them all."""
    return f"{value:.4f}" if value is not None and math.isfinite(value) else _NOTHING


def short(value: float | None) -> str:
    """Four significant digits."""
    return f"{value:.4g}" if value is not None and math.isfinite(value) else _NOTHING


def interval(measured: Measured) -> str:
    """The 95 % interval, where there is one."""
    if measured.lower is None or measured.upper is None:
        return _NOTHING
    return f"{number(measured.lower)} to {number(measured.upper)}"


def rows(section: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Keys and values of a section, those of its sections too: `schedule.steps`, `40`."""
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}.{inner}", text) for inner, text in rows(value))
        else:
            yield key, value if isinstance(value, str) else json.dumps(finite(value))


def _one_line(text: Any) -> str:
    return _UNPRINTABLE.sub(" ", str(text)).strip()


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        # Its own escaping is HTML's.
        autoescape=False,
        finalize=lambda value: value if isinstance(value, Markup) else escape(value),
    )
    environment.filters |= {each.__name__: each for each in (code, number, short, interval, rows)}
    return environment
