"""The environment that has the KFP SDK: .venv-kfp, where neither TFX nor TensorFlow is.

A command that needs kfp begins with it:

    from kubeflow.sdk import enter_sdk_environment

    enter_sdk_environment(["compile", "--preset", "digits", "--output", "digits.yaml"])
    # Here kfp is installed.
    from kubeflow.package import write_package

    write_package(config, Path("digits.yaml"))
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec

from components.commands import make_command
from components.errors import UserError
from components.process import ROOT, START

PYTHON = ROOT / ".venv-kfp" / "bin" / "python"


def enter_sdk_environment(arguments: Sequence[str]) -> None:
    """Returns where kfp can be imported; elsewhere starts `kubeflow.cli` where it can.

    Args:
      arguments: of its command line.

    Raises:
      UserError: the environment is not there.
    """
    if find_spec("kfp") is not None:
        return
    if not PYTHON.exists():
        raise UserError(
            f"{PYTHON.parent.parent} is missing: type `{make_command('kubeflow')}` first."
        )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [str(PYTHON), "-c", START, str(ROOT), "kubeflow.cli", *arguments]
    os.execve(PYTHON, command, environment)
