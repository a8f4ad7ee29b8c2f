"""The page of a run: a Report as one HTML file that opens from disk with no network.

>>> report = Report("flowers", "20261130-101500-000000", "2026-11-30T10:20:00", "failed")
>>> render(report).splitlines()[0]
'<!doctype html>'
"""

from __future__ import annotations

import base64
import functools
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from components.finite import to_json
from components.report import charts, data_charts
from components.report.content import Picture, Report
from components.report.formats import FORMATS, percent

LARGEST = 20
"""Confusions in the list beside the matrix."""
OPEN_GATES = 8
"""With more gates than this, those that passed are folded away."""
ENDS = 10
"""So many of the largest and of the smallest classes are listed where there are many."""
OPEN_REASONS = 10
"""With more reasons than this, the rest are folded away."""

_HERE = Path(__file__).parent
_VERDICTS = {"blessed": "Blessed", "rejected": "Rejected", "failed": "Failed"}
_LOWER_IS_BETTER = ("loss", "error")


def render(report: Report) -> str:
    """The whole page; a part of `report` without data has no section.

    Args:
      report: what to show. Every text in it is escaped; links are taken as they are.

    Returns:
      HTML with its style, script and pictures in it. Save it as UTF-8.
    """
    specs = charts.specs(report)
    data = {
        "names": report.class_names,
        "pictures": [_picture(each) for each in report.pictures],
        "cells": _cells(report),
        "charts": specs,
    }
    page = (
        _environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            sections=_sections(report),
            verdict=_VERDICTS[report.verdict],
            name=functools.partial(_name, report),
            gates=sorted(report.gates, key=lambda gate: gate.passed),
            open_gates=OPEN_GATES,
            open_reasons=OPEN_REASONS,
            checks=sorted(report.checks, key=lambda check: check.passed),
            formats=_formats(report),
            listed=_listed(report),
            confusions=_confusions(report),
            worst=_worst(report),
            dots=specs.get("confusion", {}).get("usermeta", {}).get("dots", False),
            charts={key: spec["description"] for key, spec in specs.items()},
            history=_history(report),
            config=_yaml(report.config),
            style=_asset("page.css"),
            script=_asset("page.js"),
            libraries=_libraries() if specs else "",
            data=_json(data),
        )
    )
    # A class that is named after a folder may hold bytes that are no text.
    return page.encode("utf-8", "replace").decode("utf-8")


def address(image: bytes) -> str:
    """A PNG or JPEG as a data: address; empty where there is none."""
    kind = "png" if image.startswith(b"\x89PNG") else "jpeg"
    encoded = base64.b64encode(image).decode("ascii")
    return f"data:image/{kind};base64,{encoded}" if encoded else ""


def _difference(value: float | None, baseline: float | None) -> float | None:
    return None if value is None or baseline is None else value - baseline


def _turn(difference: float | None, metric: str = "") -> str:
    """Whether a change is for the better, in a word; empty where it is neither."""
    if difference is None or not math.isfinite(difference) or abs(difference) < 0.00005:
        return ""
    lower = metric.endswith(_LOWER_IS_BETTER)
    return "better" if (difference < 0) == lower else "worse"


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {each.__name__: each for each in (*FORMATS, address)}
    environment.globals |= {"difference": _difference, "turn": _turn}
    return environment


def _sections(report: Report) -> dict[str, str]:
    """Id -> heading of what there is to show, in order."""
    present: list[tuple[str, str, Any]] = [
        ("verdict", "Verdict", True),
        ("metrics", "Metrics", report.metrics),
        ("serving", "Serving", "images_per_s" in report.model_check),
        ("classes", "Classes", report.classes),
        ("slices", "Slices", report.slices),
        ("confusion", "Confusion", report.confusion and report.confusion.cells),
        ("calibration", "Calibration", report.calibration),
        ("training", "Training", report.history),
        ("samples", "Samples", report.samples),
        ("mistakes", "Mistakes", report.mistakes),
        ("data", "Data", _has_data(report)),
        ("rejects", "Rejects", report.rejects),
        ("config", "Configuration", report.config),
        ("lineage", "Lineage", report.lineage),
        ("steps", "Steps", report.steps),
    ]
    return {key: heading for key, heading, there in present if there}


def _name(report: Report, index: int) -> str:
    return report.class_names[index] if index < len(report.class_names) else f"class {index}"


def _picture(picture: Picture) -> list[Any]:
    """[address, true, predicted, probability, source]; no address where there is no image."""
    shown = percent(picture.probability)
    return [address(picture.image), picture.true, picture.predicted, shown, picture.source]


def _has_data(report: Report) -> bool:
    shown = (report.statistics, report.images, report.checks, report.stored_images)
    return any(shown) or report.anomalies is not None


def _formats(report: Report) -> list[str]:
    """Names of all formats, those of the first split first."""
    splits = report.images.splits if report.images else ()
    return list(dict.fromkeys(name for split in splits for name in split.formats))


def _listed(report: Report) -> list[int]:
    """Classes with their numbers, largest of the first split first; both ends if there are many."""
    if not report.images:
        return []
    labels = report.images.splits[0].labels
    order = sorted(range(len(labels)), key=lambda index: -labels[index])
    few = len(order) <= data_charts.NAMED_CLASSES
    return order if few else order[:ENDS] + order[-ENDS:]


def _cells(report: Report) -> dict[str, tuple[int, ...]]:
    pictures = report.confusion.pictures if report.confusion else {}
    return {f"{true},{taken}": positions for (true, taken), positions in pictures.items()}


def _confusions(report: Report) -> list[tuple[int, int, int, float]]:
    """The largest: (true, predicted, images, part of the true class)."""
    cells = report.confusion.cells if report.confusion else ()
    share = charts.shares(cells)
    wrong = [(t, p, n, share[t, p]) for t, p, n in cells if t != p and n]
    return sorted(wrong, key=lambda each: (-each[2], -each[3]))[:LARGEST]


def _worst(report: Report) -> float | None:
    """The share at which the colour of a confusion is at its strongest."""
    cells = report.confusion.cells if report.confusion else ()
    return max((part for (t, p), part in charts.shares(cells).items() if t != p), default=None)


def _history(report: Report) -> list[str]:
    """Columns of the table of epochs, besides the epoch and whether it was restored."""
    keys = dict.fromkeys(key for row in report.history for key in row)
    return [key for key in keys if key not in ("epoch", "restored")]


def _yaml(config: Mapping[str, Any]) -> str:
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import RoundTripRepresenter

    class Representer(RoundTripRepresenter):
        """Writes null, which one sees."""

    Representer.add_representer(
        type(None), lambda to, _: to.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    yaml = YAML()
    yaml.Representer = Representer
    yaml.width = 1000
    stream = io.StringIO()
    yaml.dump(_plain(config), stream)
    return stream.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _json(value: Any) -> Markup:
    """JSON that cannot end the script element that it is in."""
    text = to_json(value, separators=(",", ":"))
    return Markup(text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e"))


def _asset(name: str) -> Markup:
    return Markup((_HERE / name).read_text(encoding="utf-8"))


@functools.cache
def _libraries() -> Markup:
    """vega-embed with Vega and Vega-Lite, 0.9 MB; making the bundle takes two seconds."""
    import vl_convert

    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return Markup(bundle.replace("</script", r"<\/script").replace("<!--", r"<\!--"))
