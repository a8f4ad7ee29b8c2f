"""The commands that messages suggest: they work as typed, from the user's current folder.

>>> bit_tfx("run", "--folder", "my photos")
"...bit-tfx run --folder 'my photos'"
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from components.process import ROOT

NAME = "bit-tfx"


def bit_tfx(*arguments: str) -> str:
    """A line that runs our command: by its name if the shell finds it, else by its path.

    Args:
      arguments: of its command line, not yet quoted.
    """
    script = Path(os.path.abspath(sys.executable)).with_name(NAME)
    linked = ROOT / ".venv" / "bin" / NAME
    # Another environment's Python, such as the KFP SDK's, has no such script.
    if not script.exists() or os.path.realpath(script) == os.path.realpath(linked):
        script = linked
    found = shutil.which(NAME)
    if found and os.path.realpath(found) == os.path.realpath(script):
        name = NAME
    elif _is_at_home() and script.is_relative_to(ROOT):
        name = str(script.relative_to(ROOT))
    else:
        name = str(script)
    return shlex.join([name, *arguments])


def script_command(script: str) -> str:
    """Runs a script in the project's folder by the project's own Python, `make setup`'s."""
    home = Path() if _is_at_home() else ROOT
    return shlex.join([str(home / ".venv" / "bin" / "python"), str(home / script)])


def make_command(target: str) -> str:
    """`make TARGET` of the project's Makefile."""
    return shlex.join(["make", *([] if _is_at_home() else ["-C", str(ROOT)]), target])


def _is_at_home() -> bool:
    try:
        return Path.cwd() == ROOT
    except OSError:  # The user's folder is gone.
        return False
