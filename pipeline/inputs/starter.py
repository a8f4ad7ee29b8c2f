"""The commented YAML that `bit-tfx init` writes for a folder or a table of images.

>>> from pipeline.inputs.fit import fit
>>> from pipeline.inputs.photos import Photos
>>> photos = Photos("/photos", ("cat", "dog"), {"train": (0, 1) * 60}, {"jpeg": 120}, (28, 28))
>>> text = starter_yaml(fit(photos, in_reach=lambda url: False), Path("/photos.yaml"))
>>> [line for line in text.splitlines() if line.startswith("pipeline_name")]
['pipeline_name: photos']
"""

from __future__ import annotations

import json
import os
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.commands import bit_tfx
from components.errors import UserError
from components.storage import write_whole
from pipeline.inputs.fit import Fitted
from pipeline.inputs.photos import class_counts

_CLASSES_SHOWN = 12
_COMMENT_WIDTH = 96

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./:-]*[A-Za-z0-9]")
_OTHER_KINDS = {"null", "true", "false", "Null", "True", "False", "NULL", "TRUE", "FALSE"}
"""Words that are no text to YAML 1.2."""


def starter_yaml(fitted: Fitted, path: Path) -> str:
    """The file's text.

    Args:
      fitted: values and their reasons.
      path: of the file, as the user gives it.
    """
    head = [*_about(fitted), "", f"  {bit_tfx('run', '--config', str(path))}", ""]
    head += [
        "docs/reference/configuration.md lists every key. Keys that are not here have defaults."
    ]
    lines = [f"# {line}".rstrip() for line in head]
    for key, value in fitted.values.items():
        lines += ["", *_yaml(key, value, fitted.reasons)] if isinstance(value, dict) else []
        lines += [] if isinstance(value, dict) else [f"{key}: {flow(value)}"]
    return "\n".join(lines) + "\n"


def write_starter(path: Path, text: str, force: bool) -> None:
    """Writes the file.

    Args:
      path: FILE.yaml.
      text: of it.
      force: whether to overwrite what is there.

    Raises:
      UserError: it is there already, or cannot be written.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise UserError(f"--output {path}: a configuration's name ends in .yaml.")
    if path.exists() and not force:
        raise UserError(f"{path} is there already: give --output FILE, or --force to overwrite it.")
    try:
        write_whole(path, text)
    except OSError as error:
        raise UserError(f"--output {path} cannot be written: {error.strerror or error}.") from error


def _about(fitted: Fitted) -> Iterator[str]:
    photos = fitted.photos
    yield f"Written by `bit-tfx init` for {photos.path}."
    counts = class_counts(photos)
    shown = [f"{name} {count:,}" for name, count in list(counts.items())[:_CLASSES_SHOWN]]
    more = len(counts) - len(shown)
    shown += [f"and {more:,} more"] if more else []
    yield from _wrapped(f"{photos.count:,} images in {len(counts)} classes: {', '.join(shown)}.")
    if photos.size:
        kinds = ", ".join(kind or "no known image" for kind in sorted(photos.formats))
        height, width = photos.size
        yield f"Median size {width} x {height} pixels; formats: {kinds}."
    for note in photos.notes:
        yield from _wrapped(note)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _COMMENT_WIDTH, break_long_words=False, break_on_hyphens=False)


def _yaml(key: str, section: dict[str, Any], reasons: dict[str, str]) -> Iterator[str]:
    yield f"{key}:"
    for name, value in section.items():
        if reason := reasons.get(f"{key}.{name}"):
            for line in _wrapped(f"{reason[0].upper()}{reason[1:]}."):
                yield f"  # {line}"
        yield f"  {name}: {flow(value)}"


def flow(value: Any) -> str:
    """A value in YAML's flow style, which JSON is; plain words without their quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value not in _OTHER_KINDS:
        return value
    # A name of bytes that are no text cannot be in a YAML file.
    text = os.fsencode(value).decode("utf-8", "replace") if isinstance(value, str) else value
    return json.dumps(text, ensure_ascii=False)
