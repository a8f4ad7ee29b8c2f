"""The environment of the server: .venv-serve, which has KServe and TensorFlow, and no TFX.

A command that needs them begins with it:

    from serving.environment import enter_serving_environment

    enter_serving_environment(["runs/digits/serving", "--port", "8080"])
    # Here kserve is installed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from components.commands import make_command
from components.errors import UserError
from components.process import ROOT, START

ENVIRONMENT = ROOT / ".venv-serve"
PYTHON = ENVIRONMENT / "bin" / "python"

_SETUP = ROOT / ".setup" / "environment.py"
_UV = ROOT / ".uv" / "bin" / "uv"
_MARK = ENVIRONMENT / "uv.lock.sha256"
"""Written by `.setup/environment.py` when it is whole."""


def enter_serving_environment(arguments: Sequence[str]) -> None:
    """Returns where KServe can be imported; elsewhere starts `serving.cli` where it can.

    Sets the environment up first where it is missing, was left half made, or has another lock.

    Args:
      arguments: of its command line.

    Raises:
      UserError: it cannot be set up.
    """
    if find_spec("kserve") is not None:
        return
    if not is_set_up():
        set_up()
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ, "PYTHONPATH": str(ROOT)}
    command = [str(PYTHON), "-c", START, str(ROOT), "serving.cli", *arguments]
    os.execve(PYTHON, command, environment)


def is_set_up() -> bool:
    """Whether the environment is whole, and of this checkout's lock."""
    lock = ROOT / "uv.lock"
    if not (PYTHON.exists() and _MARK.exists() and lock.exists()):
        return False
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    return _MARK.read_text(encoding="ascii").strip() == digest


def set_up() -> None:
    """Installs the lock's group `serve`, and says so.

    Raises:
      UserError: there is no uv, or it failed; it has said why.
    """
    if not (_UV.exists() and _SETUP.exists()):
        raise UserError(f"{ENVIRONMENT} is missing: type `{make_command('serve-setup')}` first.")
    print(f"setting up {ENVIRONMENT}, once: 2 GB, a minute or more", file=sys.stderr, flush=True)
    command = [sys.executable, str(_SETUP), str(_UV), "--serve"]
    if subprocess.run(command, check=False).returncode:
        raise UserError(
            f"{ENVIRONMENT} could not be set up: see above, then type "
            f"`{make_command('serve-setup')}`."
        )
