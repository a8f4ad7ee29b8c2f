"""Loads a converted model, and asks it once, in a process of its own: a bad file can end that.

TensorFlow Lite's interpreter trusts the offsets in a file: half of one ends the process by a
segmentation fault, which no `except` sees.

    from components.export.formats import FORMATS
    from components.export.probe import probe

    probe(content, FORMATS["tflite"], side=32, classes=10)
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from components.export.formats import FORMATS, Format
from components.export.runtimes import load
from components.model_check.answers import RefusedError
from components.process import end_with_parent, exit_code, start

_TIMEOUT_S = 900
_REFUSED = 3


def probe(content: bytes, format_: Format, side: int, classes: int) -> None:
    """Returns where a converted model can be loaded and asked.

    Args:
      content: of the file.
      format_: that it is in.
      side: of the images that the network sees, in pixels.
      classes: how many it knows.

    Raises:
      RefusedError: it cannot, or the process that tries it crashes or does not end.
    """
    with tempfile.TemporaryDirectory() as scratch:
        file, said = Path(scratch, format_.file), Path(scratch, "said")
        file.write_bytes(content)
        process = start(
            "components.export.probe",
            *(str(file), format_.name, str(side), str(classes), str(said)),
            environment={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        code = exit_code(process, _TIMEOUT_S)
        if code is None:
            raise RefusedError(
                f"the converted model did not answer one image within {_TIMEOUT_S} s"
            )
        if code == _REFUSED:
            raise RefusedError(said.read_text(encoding="utf-8"))
        if code:
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            raise RefusedError(
                f"the process that loads the converted model and asks it ends with {how}"
            )


def main(file: str, name: str, side: str, classes: str, said: str) -> int:
    """Exit code 0, or 3 with the reason in the file `said`."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            model = load(Path(file).read_bytes(), FORMATS[name], int(side), int(classes))
            model.answer(np.zeros((1, int(side), int(side), 3), np.float32))
    except RefusedError as refused:
        Path(said).write_text(str(refused), encoding="utf-8")
        return _REFUSED
    return 0


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main(*sys.argv[1:]))
