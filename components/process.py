"""Starting our own modules as processes, ending with the parent, and exiting.

>>> with variable("BIT_EXAMPLE", "1"):
...     process = start("components.errors", environment=os.environ)
...     process.communicate(timeout=60)
(None, None)
>>> process.returncode, "BIT_EXAMPLE" in os.environ
(0, False)
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
"""The folder of our packages."""

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
    """Starts one of our modules with this Python; its standard input is a pipe.

    Args:
      module: dotted name.
      arguments: of its command line.
      environment: its variables; those for Keras 2, UTF-8 and our packages are added.
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
            # Whatever the terminal's encoding: TensorFlow, logs and file names use UTF-8.
            "PYTHONUTF8": "1",
            "PYTHONIOENCODING": "utf-8",
        },
        **options,
    )


@contextlib.contextmanager
def variable(name: str, value: str) -> Iterator[None]:
    """Sets an environment variable of this process within the block."""
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
    """Suspends garbage collection during imports, and exempts imported modules from it for ever.

    They make no garbage, and searching for it takes a seventh of TFX's ten seconds.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def exit_code(process: subprocess.Popen[Any], timeout_s: float) -> int | None:
    """The exit code of a process; None where it did not end in time, and was killed."""
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def end_with_parent(first: Callable[[], object] | None = None) -> None:
    """Ends this process once its standard input ends, which means that the parent is gone.

    Also after `kill -9` of the parent; nobody would read the output any more.

    Args:
      first: what is called before, and must return; whatever it raises, the process ends.
    """
    threading.Thread(target=_wait_for_end_of_input, args=(first,), daemon=True).start()


def _wait_for_end_of_input(first: Callable[[], object] | None) -> None:
    sys.stdin.read()
    try:
        if first is not None:
            first()
    finally:
        os.kill(os.getpid(), signal.SIGKILL)


def leave(code: int) -> NoReturn:
    """Flushes all output and ends this process at once.

    Not sys.exit: threads of TensorFlow and Beam can keep a finished interpreter from ending, and
    TensorFlow 2.21 can crash while its strategies are taken down.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
