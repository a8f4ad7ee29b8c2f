"""How a page writes numbers.

>>> number(0.98765), percent(0.99999), seconds(3725), title("top_5_accuracy")
('0.9877', '> 99.9 %', '1 h 02 min', 'Top-5 accuracy')
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

from components.report.content import Spread

_NOTHING = "\N{EN DASH}"
_ACRONYMS = ("auc", "f1", "ece")


def number(value: float | None, missing: str = _NOTHING) -> str:
    """Four decimals, as in the summary and in the gates."""
    return f"{value:.4f}" if value is not None and math.isfinite(value) else missing


def count(value: float | None) -> str:
    """A whole number with separators."""
    return f"{value:,.0f}" if value is not None and math.isfinite(value) else _NOTHING


def percent(value: float | None) -> str:
    """A ratio as a percentage; what is not quite all or nothing never reads as if it were."""
    if value is None or not math.isfinite(value):
        return _NOTHING
    if 0.9995 <= value < 1:
        return "> 99.9 %"
    if 0 < value < 0.0005:
        return "< 0.1 %"
    return f"{100 * value:.1f} %"


def change(value: float | None) -> str:
    """A difference with its sign, and a real minus."""
    if value is None or not math.isfinite(value):
        return _NOTHING
    text = f"{value:+.4f}"
    return text[1:] if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def seconds(value: float | None) -> str:
    """A duration in a fitting unit."""
    if value is None or not math.isfinite(value):
        return _NOTHING
    if round(value, 1) < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def rate(value: float | None) -> str:
    """A learning rate, in three significant digits."""
    return f"{value:.3g}" if value is not None and math.isfinite(value) else _NOTHING


def amount(value: float | None) -> str:
    """A number that may be a count or a measurement."""
    if value is None or not math.isfinite(value):
        return _NOTHING
    return count(value) if value == int(value) else f"{value:.4g}"


def spread(values: Spread | Sequence[int] | None) -> str:
    """The smallest, the median and the largest."""
    if isinstance(values, (list, tuple)):
        values = Spread(min(values), statistics.median(values), max(values)) if values else None
    if values is None:
        return _NOTHING
    assert isinstance(values, Spread)
    if values.least == values.most:
        return count(values.least)
    return " \N{MIDDLE DOT} ".join(map(count, (values.least, values.median, values.most)))


def columns(names: Iterable[str], kind: str) -> list[tuple[str, str]]:
    """Heads of columns of one kind."""
    return [(name, kind) for name in names]


def title(name: str) -> str:
    """`top_5_accuracy` as one writes it: `Top-5 accuracy`."""
    words = name.replace("_", " ").strip().split(" ")
    if len(words) > 1 and words[0] == "top" and words[1].isdigit():
        words[:2] = [f"top-{words[1]}"]
    text = " ".join(word.upper() if word in _ACRONYMS else word for word in words)
    return text[:1].upper() + text[1:]


FORMATS = (number, count, percent, change, rate, seconds, title, amount, spread, columns)
"""Filters of the templates, by their names."""
