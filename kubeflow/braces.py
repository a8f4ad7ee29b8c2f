"""`{{`, which Argo and Kubeflow Pipelines take for a placeholder of theirs, in what users give.

The server fills in or refuses what is between the braces, and does so when the run starts:
compiling and uploading do not notice. `}}` alone means nothing to it; nested JSON is full of it.

    >>> check_values({"pipeline_name": "digits"})
    >>> check_values({"data": {"folder": "/photos/{{today}}"}})
    Traceback (most recent call last):
    ...
    components.errors.UserError: data.folder: '/photos/{{today}}' holds {{, which the cluster ...
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from components.errors import UserError

_BRACES = "{{"
_KFP = re.compile(r"\{\{\$(\.[^{}]*)?\}\}")
"""A placeholder as the KFP SDK makes it, `{{$}}` or `{{$.inputs.parameters['name']}}`."""


def check_values(values: Any, given: str = "") -> None:
    """Refuses `{{` in texts, and in keys, that end in a package or in a run.

    Args:
      values: plain values, as of a configuration.
      given: the option that they come from; empty where their keys say it.

    Raises:
      UserError: it names the key.
    """
    for key, text in _texts(values):
        if _BRACES in text:
            raise UserError(_refusal(" ".join(filter(None, (given, key))), text))


def check_package(document: Any, file: str) -> None:
    """Refuses a package that an older compiler, or an editor, has let such values into.

    Args:
      document: one of the package's YAML documents.
      file: its name.

    Raises:
      UserError: it names the place in the document.
    """
    for key, text in _texts(document):
        if _BRACES not in text:
            continue
        # No SDK puts a placeholder into JSON; our configuration and metadata are such texts.
        is_json = text.startswith("{") and not text.startswith(_BRACES)
        if is_json or _BRACES in _KFP.sub("", text):
            raise UserError(f"{_refusal(f'{file}: {key}', text)} Then compile it again.")


def _refusal(where: str, text: str) -> str:
    at = max(0, text.index(_BRACES) - 20)
    begins, ends = "…" if at else "", "…" if len(text) > at + 60 else ""
    shown = begins + text[at : at + 60] + ends
    return (
        f"{where}: {shown!r} holds {_BRACES}, which the cluster takes for a placeholder of its "
        "own: write it without."
    )


def _texts(values: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in plain values and every key, with its path."""
    below = f"{path}." if path else ""
    if isinstance(values, str):
        yield path, values
    elif isinstance(values, Mapping):
        for key, value in values.items():
            yield f"{below}{key}", str(key)
            yield from _texts(value, f"{below}{key}")
    elif isinstance(values, list | tuple):
        for index, value in enumerate(values):
            yield from _texts(value, f"{below}{index}")
