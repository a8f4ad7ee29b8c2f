"""The lines that messages give to type: they work as typed, from the folder where the user is."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from components.process import ROOT


def module_command(module: str, *arguments: str) -> str:
    """Runs a module of ours by this Python: `.venv/bin/python -m pipeline.cli.quarantine ...`.

    From another folder than the project's it goes there first, for `-m` finds modules by the
    folder; so a path among the arguments must be absolute.

    Args:
      module: dotted name.
      arguments: of its command line, not yet quoted.
    """
    return _in_project(shlex.join([_python(), "-m", module, *arguments]))


def script_command(script: str) -> str:
    """Runs a script in the project's folder by the project's own Python, `make setup`'s."""
    home = Path() if _is_at_home() else ROOT
    return shlex.join([str(home / ".venv" / "bin" / "python"), str(home / script)])


def make_command(target: str) -> str:
    """`make TARGET` of the project's Makefile."""
    return shlex.join(["make", *([] if _is_at_home() else ["-C", str(ROOT)]), target])


def _python() -> str:
    """This Python; as it is seen from the project's folder where it is below it."""
    python = Path(os.path.abspath(sys.executable))
    return str(python.relative_to(ROOT)) if python.is_relative_to(ROOT) else str(python)


def _in_project(line: str) -> str:
    return line if _is_at_home() else f"(cd {shlex.quote(str(ROOT))} && {line})"


def _is_at_home() -> bool:
    try:
        return Path.cwd() == ROOT
    except OSError:  # The user's folder is gone.
        return False
