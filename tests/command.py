"""The command bit-tfx of this checkout, whatever checkout is installed in the environment."""

import os
import subprocess
import sys

from components.process import ROOT

BIT_TFX = [sys.executable, "-m", "pipeline.cli"]


def bit_tfx(*arguments, cwd=ROOT, environment=None):
    """Runs it in a process of its own, to its end; whatever it says, it is no traceback."""
    ran = subprocess.run(
        [*BIT_TFX, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in ran.stdout + ran.stderr, ran.stderr
    return ran
