"""The Prism that `beam.options.prism_location` names: a job service of Beam's, one program in Go.

Beam's PrismRunner starts it beside the step. Without a path it would download it for each step; and
for a program that does not listen, which is not Prism, it would wait without end.

>>> check_prism("/nowhere/prism")
Traceback (most recent call last):
...
components.errors.UserError: beam.options.prism_location /nowhere/prism: there is no such file. ...
"""

from __future__ import annotations

import mmap
import os
import re
import shlex
import zipfile
from importlib import metadata
from pathlib import Path

from components.errors import UserError

PACKAGE = "github.com/apache/beam/sdks/v2/go/cmd/prism"
"""What `go install` builds it from."""

# Go names the package of every function that is in a program, stripped or not.
_PART_OF_PRISM = b"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"
# Of what `go version -m` prints.
_BUILT_FROM = re.compile(rb"\tgithub\.com/apache/beam/sdks/v2\tv(\S+)")
# Not the pseudo-version of a build from a checkout between releases.
_RELEASE = re.compile(r"(\d+\.\d+\.\d+)(?:-RC\d+)?(?:\+\S*)?")


def check_prism(location: str) -> None:
    """Checks that a file is Prism, of the version of the installed Beam as far as it says one.

    Args:
      location: its path.

    Raises:
      UserError: it is not; with the command that builds one.
    """
    if wrong := _objection(Path(location), metadata.version("apache-beam")):
        raise UserError(f"beam.options.prism_location {location}: {wrong}")


def _objection(path: Path, beam: str) -> str:
    """What is wrong with the file, and what to do; else empty."""
    build = f"Build it: {build_command(shlex.quote(str(path.absolute().parent)))}"
    try:
        found = _version(path)
    except FileNotFoundError:
        return f"there is no such file. {build}"
    except OSError as error:
        return f"it cannot be read ({error.strerror or error}). {build}"
    wrong, release = "", _RELEASE.fullmatch(found or "")
    if zipfile.is_zipfile(path):
        wrong = "it is a zip file. Unpack it, and name the program that was in it."
    elif found is None:
        wrong = f"it is not Prism. {build}"
    elif not os.access(path, os.X_OK):
        wrong = f"it is not executable: chmod +x {shlex.quote(str(path))}"
    elif release and release[1] != beam:
        wrong = f"it is Prism {found}, and this Beam is {beam}. {build}"
    return wrong


def _version(path: Path) -> str | None:
    """What Go has noted of Beam's version, empty if nothing; None if the file is not Prism."""
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content.find(_PART_OF_PRISM) < 0:
                return None
            found = _BUILT_FROM.search(content)
            return found[1].decode(errors="replace") if found else ""


def build_command(folder: str) -> str:
    """The shell command that builds it, of the installed Beam's version, into a folder."""
    return f"GOBIN={folder} go install {PACKAGE}@v{metadata.version('apache-beam')}"
