"""Makes the environment that `make` runs in: picks a Python, installs the lock, links `.venv`.

Runs on any Python 3.7 or newer. Usage: environment.py UV [--python 3.12] [--extra NAME]...
With --serve it makes `.venv-serve` instead, that of `bit-tfx serve`.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEGACY = "3.10"
"""TFX 1.16 runs on this Python, on any Linux."""
CURRENT = ("3.13", "3.12", "3.11")
"""TFX 1.21 runs on these, newest first."""
CURRENT_GLIBC = (2, 38)
"""Oldest glibc that ml-metadata 1.21's wheels load on (manylinux_2_39 by name, 2.38 by symbol)."""

SERVING = ("3.11", "3.12", "3.13")
"""KServe and TensorFlow 2.21 run on these, without headers and on any glibc; best first."""
SERVING_ENVIRONMENT = ".venv-serve"
SERVING_MARK = "uv.lock.sha256"
"""File in it: of which lock it is; written last."""

_PACKAGE_LINE = re.compile(r"\s*([+~-] |Download|Build|Built)")
"""What uv says of one package of some 200: the sums around them are enough."""

_LINKED = ("bin", "include", "lib", "lib64", "pyvenv.cfg", "share")


class SetupError(Exception):
    """What is missing on this machine, and what to do about it."""


def glibc_version():
    """Version of this machine's glibc as (major, minor); (0, 0) where there is none."""
    try:
        text = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        return (0, 0)
    match = re.search(r"(\d+)\.(\d+)", text)
    return (int(match.group(1)), int(match.group(2))) if match else (0, 0)


def wanted_versions(override, glibc):
    """Python versions to try, best first."""
    if override:
        if override not in (*CURRENT, LEGACY):
            known = ", ".join((*CURRENT, LEGACY))
            raise SetupError(f"PYTHON={override}: choose one of {known}.")
        if override in CURRENT and glibc < CURRENT_GLIBC:
            raise SetupError(
                "PYTHON={} means TFX 1.21, which needs glibc >= 2.38 (Debian 13, Ubuntu 24.04); "
                "this machine has {}.{}. Use PYTHON={}.".format(override, *glibc, LEGACY)
            )
        return (override,)
    return (*CURRENT, LEGACY) if glibc >= CURRENT_GLIBC else (LEGACY,)


def parse_listing(listing):
    """`uv python list` -> [(version, path)], in uv's order, without what is only a download."""
    found = []
    for line in listing.splitlines():
        match = re.match(r"cpython-(\d+\.\d+)\.\S+\s+(/\S+)", line)
        if match:
            found.append((match.group(1), match.group(2)))
    return found


def has_headers(python):
    """Whether `python` can build TFX's one C++ source package (pyfarmhash)."""
    probe = "import os, sysconfig as s; print(os.path.isfile(s.get_path('include') + '/Python.h'))"
    try:
        return subprocess.check_output([python, "-c", probe]).strip() == b"True"
    except (OSError, subprocess.CalledProcessError):
        return False


def choose(versions, installed, headers=has_headers):
    """The first interpreter with headers as (version, path), or None."""
    for version in versions:
        for candidate, path in installed:
            if candidate == version and headers(path):
                return version, path
    return None


def find_python(uv, override):
    """The interpreter to use, installed already or fetched by uv.

    Raises:
      SetupError: there is none.
    """
    versions = wanted_versions(override, glibc_version())
    installed = installed_pythons(uv)
    choice = choose(versions, installed) or fetch(uv, versions)
    if choice is None:
        raise SetupError(missing(versions, installed))
    return choice


def installed_pythons(uv):
    """What `parse_listing` finds on this machine."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    # pyenv's shims hide every version but the selected one; its folders do not.
    path = os.pathsep.join([os.environ["PATH"], *map(str, sorted(pyenv.glob("3.*/bin")))])
    listing = subprocess.run(
        [uv, "python", "list", "--only-installed", "--all-versions", "--color", "never"],
        stdout=subprocess.PIPE,
        env=dict(os.environ, PATH=path),
        text=True,
        check=True,
    ).stdout
    return parse_listing(listing)


def fetch(uv, versions):
    """The first version that uv can download as (version, version), or None."""
    for version in versions:
        print(f"setup: no Python {version} with headers is here; fetching one", flush=True)
        if subprocess.call([uv, "python", "install", "--quiet", version], cwd=str(ROOT)) == 0:
            return version, version
    return None


def missing(versions, installed, headers=has_headers, glibc=None):
    """The sentence for a machine without a Python to use: which it has, and what to type.

    Args:
      versions: that were looked for, best first.
      installed: as `parse_listing` returns it.
      headers: whether a Python has them.
      glibc: this machine's, where another than `glibc_version` finds.
    """
    able = wanted_versions("", glibc or glibc_version())
    found, usable = [], []
    for version, path in installed:
        bare = version in (*CURRENT, LEGACY) and not headers(path)
        found.append("{} ({}{})".format(version, path, ", without headers" if bare else ""))
        if version in able and not bare and version not in usable:
            usable.append(version)
    instead = " Or use one that is here: {}.".format(
        ", ".join(f"make setup PYTHON={version}" for version in usable)
    )
    return (
        "No Python {} with headers was found, and none could be fetched. Found: {}. Install one "
        "(for example `apt install python3-dev`, or `pyenv install {}`).".format(
            " or ".join(versions), ", ".join(found) or "none", versions[0]
        )
        + (instead if usable else "")
    )


def sync(uv, version, python, extras):
    """Installs the lock into `.venv-<version>` and points `.venv` at it."""
    name = ".venv-" + version
    command = [uv, "sync", "--frozen", "--inexact", "--python", python]
    for extra in extras:
        command += ["--extra", extra]
    env = dict(os.environ, UV_PROJECT_ENVIRONMENT=name, VIRTUAL_ENV="")
    if (ROOT / name / "bin" / "python").exists():
        command.append("--quiet")
    else:
        print(f"setup: installing uv.lock into {name}: 4 GB, some minutes", flush=True)
    with subprocess.Popen(
        command, cwd=str(ROOT), env=env, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        show(process.stderr, sys.stderr)
    if process.returncode:
        raise SetupError(f"uv could not install the lock into {name}: see above.")
    link(ROOT, name)


def sync_serving(uv):
    """Installs the group `serve` of the lock into `.venv-serve`, and marks it with the lock.

    Raises:
      SetupError: there is no Python for it, or uv could not install it.
    """
    choice = choose(SERVING, installed_pythons(uv), lambda _: True) or fetch(uv, SERVING)
    if choice is None:
        raise SetupError(
            "No Python {} was found, and none could be fetched: `bit-tfx serve` needs one of "
            "them, for example by `pyenv install {}`.".format(" or ".join(SERVING), SERVING[0])
        )
    mark = ROOT / SERVING_ENVIRONMENT / SERVING_MARK
    if mark.exists():
        mark.unlink()
    command = [uv, "sync", "--frozen", "--quiet", "--only-group", "serve", "--python", choice[1]]
    env = dict(os.environ, UV_PROJECT_ENVIRONMENT=SERVING_ENVIRONMENT, VIRTUAL_ENV="")
    if subprocess.call(command, cwd=str(ROOT), env=env):
        raise SetupError(f"uv could not install {SERVING_ENVIRONMENT}: see above.")
    digest = hashlib.sha256((ROOT / "uv.lock").read_bytes()).hexdigest()
    mark.write_text(digest + "\n", encoding="ascii")
    return choice[0]


def show(lines, target):
    """Passes on what uv says, without its line for every package."""
    for line in lines:
        if not _PACKAGE_LINE.match(line):
            target.write(line)
            target.flush()


def link(root, name):
    """Makes `.venv` a folder of links into the environment `name`.

    Not one link to the folder: a bare `uv run` wants Python 3.10 and would empty what the link
    points to. So it replaces `.venv` alone, and the next make puts the links back.

    Raises:
      SetupError: `.venv` is there, and neither uv nor make created it.
    """
    venv = root / ".venv"
    entries = [path.name for path in (root / name).iterdir() if path.name in _LINKED]
    links = {entry: os.path.join("..", name, entry) for entry in sorted(entries)}
    if venv.is_symlink():
        venv.unlink()
    elif venv.exists():
        now = {path.name: os.readlink(str(path)) for path in venv.iterdir() if path.is_symlink()}
        if all(now.get(entry) == target for entry, target in links.items()):
            return
        config = venv / "pyvenv.cfg"
        made_by_uv = config.is_file() and "uv = " in config.read_text()
        # Links alone are ours, even if some are missing or lead nowhere.
        made_here = len(now) == len(list(venv.iterdir()))
        if not (made_by_uv or made_here):
            raise SetupError(".venv is not one that uv or make created; move it away.")
        shutil.rmtree(str(venv))
    venv.mkdir()
    for entry, target in links.items():
        (venv / entry).symlink_to(target)


def main(arguments=None):
    """Exit code 0, or 2 with one sentence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("uv")
    parser.add_argument("--python", default="")
    parser.add_argument("--extra", action="append", default=[])
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args(arguments)
    try:
        if options.serve:
            sync_serving(options.uv)
            return 0
        version, python = find_python(options.uv, options.python)
        sync(options.uv, version, python, options.extra)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 2
    generation = "1.16" if version == LEGACY else "1.21"
    print(f"setup: Python {version} with TFX {generation} in .venv-{version}")
    print("setup: the command is .venv/bin/bit-tfx; --help lists its verbs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
