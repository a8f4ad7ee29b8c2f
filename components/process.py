"""Processes of ours: how one starts another, ends with it, and ends at all."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds our packages."""

# Runs a module of ours as `-m` does, which would look in the user's current folder before ours.
# Arguments: the folder of our packages, the module, and the module's own.
START = """\
import runpy, sys
sys.path[0], module = sys.argv.pop(1), sys.argv.pop(1)
runpy.run_module(module, run_name="__main__")
"""


def start(
    module: str, *arguments: str, environment: Mapping[str, str], **options: Any
) -> subprocess.Popen[Any]:
    """Starts a module of ours by this Python; its standard input is a pipe.

    Args:
      module: dotted name.
      arguments: of its command line.
      environment: its variables, but for Keras 2, UTF-8 and the path to our packages.
      options: of `subprocess.Popen`.
    """
    paths = filter(None, [str(ROOT), environment.get("PYTHONPATH")])
    return subprocess.Popen(
        [sys.executable, "-c", START, str(ROOT), module, *arguments],
        stdin=subprocess.PIPE,
        env={
            **environment,
            "TF_USE_LEGACY_KERAS": "1",
            "PYTHONPATH": os.pathsep.join(paths),
            # Whatever the terminal is: TensorFlow, logs and names of files are UTF-8.
            "PYTHONUTF8": "1",
            "PYTHONIOENCODING": "utf-8",
        },
        **options,
    )


@contextlib.contextmanager
def variable(name: str, value: str) -> Iterator[None]:
    """Sets a variable of this process's environment for a while."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Collects no garbage while modules are imported, nor ever looks at them for any.

    They make no garbage, and looking for it is a seventh of the ten seconds that TFX takes.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def end_with_parent() -> None:
    """From now on this process ends when its standard input does: its parent is gone.

    Even by kill -9; nobody would read what it still has to say.
    """
    threading.Thread(target=_wait_for_end_of_input, daemon=True).start()


def _wait_for_end_of_input() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGKILL)


def leave(code: int) -> NoReturn:
    """Ends this process at once, all that it said being said.

    Not sys.exit: threads of TensorFlow and Beam can keep a finished interpreter from ending, and
    TensorFlow 2.21 can crash while its strategies are taken down.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
