"""The environment that has the KFP SDK: .venv-kfp, where neither TFX nor TensorFlow is."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from components.commands import make_command
from components.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv-kfp" / "bin" / "python"


def enter_sdk_environment(module: str | None = None) -> None:
    """Returns where kfp can be imported; elsewhere starts this command again where it can.

    Args:
      module: dotted name of the command; the one that runs where it is None.

    Raises:
      UserError: the environment is not there.
    """
    if find_spec("kfp") is not None:
        return
    if not PYTHON.exists():
        raise UserError(
            f"{PYTHON.parent.parent} is missing: type `{make_command('kubeflow')}` first."
        )
    if module is None:
        spec = sys.modules["__main__"].__spec__
        assert spec is not None, "commands are started by python -m"
        module = spec.name
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    os.execve(PYTHON, [str(PYTHON), "-m", module, *sys.argv[1:]], environment)
