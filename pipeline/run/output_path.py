"""Which paths a run can write below: TFX, SQLite and TensorFlow take fewer than the disk does.

>>> check_folder("--output", "/out/run[1]")
Traceback (most recent call last):
...
components.errors.UserError: --output /out/run[1]: TFX takes [ for part of a pattern ...
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from components.errors import UserError
from pipeline.run.layout import Layout

_PATTERN = re.compile(r"[*?\[\]\\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

SQLITE_BYTES = 504
"""SQLite opens no file of a longer name: 512 with the end of its journal's name (os_unix.c)."""

SQLITE_NAME_BYTES = 255 - len("-journal")
"""Nor one whose own name leaves no room for its journal's."""


def resolved_output(output: Path) -> Path:
    """The absolute path of an output folder, no link in it.

    Args:
      output: as given; it need not be there.

    Raises:
      UserError: no run could write there.
    """
    try:
        path = output.resolve()
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "its links lead in a circle"
        raise UserError(f"--output {output} cannot be used: {reason}.") from error
    check_folder("--output", str(path))
    check_database(f"--output {path}", str(Layout(path).metadata))
    return path


def check_folder(key: str, path: str) -> None:
    """Refuses names that TFX would take for patterns, or that are no text.

    TFX and Beam find the files of an artifact by `<its folder>/Split-*/*`, nothing in it escaped.

    Args:
      key: of the configuration or the command line.
      path: or a URI.

    Raises:
      UserError: a character that cannot be in it, which is named.
    """
    try:
        path.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(
            f"{key} {path}: the name is not UTF-8, and TensorFlow takes no other: give another "
            "folder."
        ) from error
    if found := _PATTERN.search(path):
        raise UserError(
            f"{key} {path}: TFX takes {found[0]} for part of a pattern and would not find its own "
            r"files there: give a folder without any of * ? [ ] \ in its path."
        )
    if found := _CONTROL.search(path):
        raise UserError(
            f"{key} {path!r}: there is the control character {found[0]!r} in its path: give "
            "another folder."
        )


def check_database(key: str, path: str) -> None:
    """Refuses a file that SQLite could not open.

    Args:
      key: and value, as an error names them.
      path: of the file.

    Raises:
      UserError: it is too long.
    """
    length = len(os.fsencode(path))
    if length > SQLITE_BYTES:
        raise UserError(
            f"{key} is too long a path for SQLite, which keeps ML Metadata in {path}: "
            f"{length} bytes, and at most {SQLITE_BYTES} can be had. Give a shorter one."
        )
    length = len(os.fsencode(os.path.basename(path)))
    if length > SQLITE_NAME_BYTES:
        raise UserError(
            f"{key} has too long a name for SQLite, whose journal's is longer by 8: {length} "
            f"bytes, and at most {SQLITE_NAME_BYTES} can be had. Give a shorter one."
        )
