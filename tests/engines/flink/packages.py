"""Flink and Beam's job server for it, from Maven: the jars that pom.xml names, fetched once.

>>> [line for line in POM.read_text().splitlines() if "<flink.version>" in line]
['    <flink.version>1.19.3</flink.version>']
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from xml.etree import ElementTree

POM = Path(__file__).with_name("pom.xml")
JAVA = ("11", "17", "21")
"""Those that Flink 1.19 runs on: Debian 12 has 17, Debian 13 has 21 (beta in 1.19)."""

_NEEDED = "apt install default-jre-headless maven"
_NAMESPACE = "{http://maven.apache.org/POM/4.0.0}"


def version(name: str) -> str:
    """The version of `flink` or `beam` that pom.xml asks for."""
    found = ElementTree.parse(POM).findtext(f"{_NAMESPACE}properties/{_NAMESPACE}{name}.version")
    if found is None:
        raise KeyError(f"{POM} has no property {name}.version")
    return found


def missing() -> str | None:
    """What this machine lacks, as a sentence with the command that installs it; else None."""
    for name in ("java", "mvn"):
        if not shutil.which(name):
            return f"Flink needs Java and Maven, and there is no {name} on PATH: {_NEEDED}"
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or found[1] not in JAVA:
        first = said.strip().partition("\n")[0]
        return f"Flink 1.19 runs on Java {', '.join(JAVA)}, and java is {first}: {_NEEDED}"
    return None


def cache() -> Path:
    """Where the jars are kept: below `BIT_ENGINES`, else the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    root = Path(os.environ.get("BIT_ENGINES") or Path(base, "bit-on-tfx", "engines"))
    return root / f"flink-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"


def jars() -> list[Path]:
    """Every jar, fetched on the first call: 162 of 152 MB, 20 s on a good network.

    Raises:
      RuntimeError: Maven did not fetch them; its last lines are in the message.
    """
    folder = cache()
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Under its name only when it is complete: another process may fetch at the same time.
        with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
            _fetch(Path(unfinished, "jars"))
            try:
                Path(unfinished, "jars").rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
    return sorted(folder.glob("*.jar"))


def _fetch(folder: Path) -> None:
    command = ["mvn", "--batch-mode", "--no-transfer-progress", f"--file={POM}"]
    command += ["-Dmaven.artifact.threads=10", "dependency:copy-dependencies"]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        lines = [line for line in ran.stdout.splitlines() if "ERROR" in line][:5]
        raise RuntimeError("\n".join([f"{' '.join(command)} failed:", *lines]))
