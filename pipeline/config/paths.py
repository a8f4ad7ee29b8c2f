"""Makes the paths in a configuration absolute.

>>> values = {"data": {"folder": "photos"}, "backbone": {"handle": "bit-mini"}}
>>> with_absolute_paths(values, Path("/home/me"))
{'data': {'folder': '/home/me/photos'}, 'backbone': {'handle': 'bit-mini'}}
"""

from __future__ import annotations

import copy
import glob
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.backbone.config import SHIPPED
from components.errors import UserError
from pipeline.config.beam import AUTO
from pipeline.shipped import SCHEMAS


def with_absolute_paths(
    values: dict[str, Any], base: Path, unless_in: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The same values with absolute paths.

    Paths in a file are relative to the file; those on the command line to the current folder.

    Args:
      values: as read, not yet validated.
      base: the folder that relative paths start from.
      unless_in: values whose paths are absolute already; values that are equal there stay.

    Raises:
      UserError: a path begins with the home folder of an unknown user.
    """
    found = copy.deepcopy(values)
    for keys, is_path in _PATHS:
        # The base of a pattern is not a pattern.
        start = Path(glob.escape(str(base))) if keys in _PATTERNS else base
        _make_absolute(found, unless_in, keys, is_path, start)
    return found


def _make_absolute(
    node: Any,
    before: Any,
    keys: tuple[str, ...],
    is_path: Callable[[str, Path], bool],
    base: Path,
    above: str = "",
) -> None:
    """Makes the paths at `keys` in `node` absolute, unless they are the same in `before`."""
    if not isinstance(node, dict):
        return
    for key in list(node) if keys[0] == "*" else [keys[0]]:
        value, old = node.get(key), before.get(key) if isinstance(before, dict) else None
        if len(keys) > 1:
            _make_absolute(value, old, keys[1:], is_path, base, f"{above}{key}.")
        elif not isinstance(value, str) or not value or "://" in value or value == old:
            continue
        elif is_path(value, base):
            node[key] = str(Path(base, _expanded(f"{above}{key}", value)))


def _expanded(key: str, value: str) -> Path:
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        name = value.partition("/")[0]
        raise UserError(
            f"{key} {value}: there is no user {name[1:]}; a folder of that name is ./{value}."
        ) from error


def _is_folder(handle: str, base: Path) -> bool:
    if handle in SHIPPED:
        return False
    return handle.startswith((".", "~", "/")) or Path(base, handle).is_dir()


def _is_schema_file(name: str, base: Path) -> bool:
    return not (SCHEMAS / f"{name}.pbtxt").exists()


_PATTERNS = (
    ("data", "table"),
    ("data", "table", "path"),
    ("data", "tfrecords", "files", "*"),
)
"""Keys whose values are patterns."""
_PATHS: tuple[tuple[tuple[str, ...], Callable[[str, Path], bool]], ...] = (
    (("data", "data_dir"), lambda text, base: True),
    (("data", "folder"), lambda text, base: True),
    *((keys, lambda text, base: True) for keys in _PATTERNS),
    (("data", "curated_schema"), _is_schema_file),
    (("data", "write_schema"), lambda text, base: True),
    (("backbone", "handle"), _is_folder),
    (("push", "signing_key"), lambda text, base: True),
    (("beam", "setup_file"), lambda text, base: text != AUTO),
    (("beam", "options", "prism_location"), lambda text, base: True),
)
"""Keys, in which `*` stands for any, and whether a value there is a path."""
