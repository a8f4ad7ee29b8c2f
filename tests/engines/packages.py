"""The jars of an engine and of Beam's job server for it: what a pom.xml names, from Maven, once.

>>> FLINK.version("flink"), SPARK.version("beam")
('1.19.3', '2.62.0')
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

_HERE = Path(__file__).parent
_NEEDED = "apt install default-jre-headless maven"
_NAMESPACE = "{http://maven.apache.org/POM/4.0.0}"


@dataclass(frozen=True)
class Packages:
    """What one engine is made of.

    Attributes:
      engine: its name and version, for people.
      pom: the file that names its jars; the folder's name is the engine's in the cache.
      java: the versions that it runs on.
    """

    engine: str
    pom: Path
    java: tuple[str, ...]

    def version(self, name: str) -> str:
        """The version that the pom asks for: `flink`, `beam`, ..."""
        tree = ElementTree.parse(self.pom)
        found = tree.findtext(f"{_NAMESPACE}properties/{_NAMESPACE}{name}.version")
        if found is None:
            raise KeyError(f"{self.pom} has no property {name}.version")
        return found

    def missing(self) -> str | None:
        """What this machine lacks, as a sentence with the command that installs it; else None."""
        for name in ("java", "mvn"):
            if not shutil.which(name):
                return (
                    f"{self.engine} needs Java and Maven, and there is no {name} on PATH: {_NEEDED}"
                )
        asked = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
        found = re.search(r'version "(\d+)', asked.stderr)
        if found is None or found[1] not in self.java:
            first = asked.stderr.strip().partition("\n")[0]
            versions = ", ".join(self.java)
            return f"{self.engine} runs on Java {versions}, and java is {first}: {_NEEDED}"
        return None

    def folder(self) -> Path:
        """The folder of every jar, fetched on the first call: some 150 MB, 20 s on a good network.

        Raises:
          RuntimeError: Maven did not fetch them; its last lines are in the message.
        """
        digest = hashlib.sha256(self.pom.read_bytes()).hexdigest()[:12]
        return made_once(cache() / f"{self.pom.parent.name}-{digest}", self._fetch)

    def jars(self) -> list[Path]:
        """Every jar, as `folder`."""
        return sorted(self.folder().glob("*.jar"))

    def _fetch(self, folder: Path) -> None:
        command = ["mvn", "--batch-mode", "--no-transfer-progress", f"--file={self.pom}"]
        command += ["-Dmaven.artifact.threads=10", "dependency:copy-dependencies"]
        command += ["-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            lines = [line for line in ran.stdout.splitlines() if "ERROR" in line][:5]
            raise RuntimeError("\n".join([f"{' '.join(command)} failed:", *lines]))


def cache() -> Path:
    """Where engines are kept: `BIT_ENGINES`, else in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("BIT_ENGINES") or Path(base, "bit-on-tfx", "engines"))


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """A folder of the cache, which `make` fills on the first call, given another path."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Under its name only when it is complete: another process may make it at the same time.
        with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
            made = Path(unfinished, "made")
            make(made)
            try:
                made.rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
    return folder


FLINK = Packages("Flink 1.19", _HERE / "flink" / "pom.xml", ("11", "17", "21"))
"""Debian 12 has Java 17, Debian 13 has 21 (beta in 1.19)."""

SPARK = Packages("Spark 3.5", _HERE / "spark" / "pom.xml", ("11", "17"))
