"""Standard output and error of our commands: what becomes of them ends no work.

A reader can go away (`| head`), a disk can fill, a descriptor can be closed from the start, and a
terminal can lack the characters that we print.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import TextIO

_READABLE = "bit-readable"
"""Our handler of encoding errors, by its name in Python's registry."""

_ASCII = {"✓": "+", "✗": "x", "·": "-", "—": "-", "…": "...", "→": "->"}
"""What stands for our own marks where the terminal lacks them."""


class Stream(io.TextIOWrapper):
    """A standard stream that drops what cannot be written, and lets its writer go on."""

    def __init__(self, old: TextIO | None, descriptor: int, lost: Callable[[OSError], None]):
        """Takes the place of `old`; calls `lost` with every error that it drops text for."""
        encoding = getattr(old, "encoding", None) or "utf-8"
        line_buffering = bool(getattr(old, "line_buffering", False))
        write_through = bool(getattr(old, "write_through", False))
        raw = open(descriptor, "wb", closefd=False)  # noqa: SIM115  # The process's, to its end.
        super().__init__(
            raw,
            encoding,
            _READABLE,
            line_buffering=line_buffering,
            write_through=write_through,
        )
        self._descriptor = descriptor
        self._lost = lost

    def write(self, text: str) -> int:
        """Like TextIOWrapper's, and raises no OSError."""
        try:
            return super().write(text)
        except OSError as error:
            self._drop(error)
            return len(text)

    def flush(self) -> None:
        """Like TextIOWrapper's, and raises no OSError."""
        try:
            super().flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        if isinstance(error, BlockingIOError):
            # The descriptor is shared with a program that reads or writes without waiting.
            os.set_blocking(self._descriptor, True)
            self.flush()
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._descriptor)
        os.close(nowhere)
        # What is still in the buffers goes nowhere too, and what libraries in C print.
        super().flush()
        self._lost(error)


class _Losses:
    """What a command does about a stream that is lost."""

    def __init__(self, goes_on: bool):
        self.goes_on = goes_on
        self.is_over = False
        self.full: OSError | None = None

    def of_output(self, error: OSError) -> None:
        """Standard output's; that nobody reads on is said where work goes on for long."""
        if self.goes_on:
            reason = error.strerror or error
            if not self.is_over:
                print(f"standard output is gone ({reason}): the work goes on.", file=sys.stderr)
        elif error.errno != errno.EPIPE:
            self.full = error

    def of_errors(self, error: OSError) -> None:
        """Standard error's: there is nobody left to say it to."""


def run_command(main: Callable[[], int], *, goes_on: bool = False) -> int:
    """Runs a command of ours, with streams that cannot end it; returns its exit code.

    Args:
      main: the command; argparse may end it.
      goes_on: its work is worth more than what it prints: lost output changes no exit code. Of any
        other command a reader that went away is no failure, and output that no disk took is one.
    """
    losses = _Losses(goes_on)
    settle_streams(losses.of_output, losses.of_errors)
    try:
        code = main()
    except SystemExit as ended:
        code = _code_of(ended)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 1
    losses.is_over = True
    sys.stdout.flush()
    if losses.full is not None:
        reason = losses.full.strerror or losses.full
        print(f"error: the output cannot be written: {reason}.", file=sys.stderr)
        code = code or 1
    sys.stderr.flush()
    return code


def _code_of(ended: SystemExit) -> int:
    """As Python itself takes it; argparse and others end a command so."""
    if ended.code is None or isinstance(ended.code, int):
        return ended.code or 0
    print(ended.code, file=sys.stderr)
    return 1


def settle_streams(
    output_lost: Callable[[OSError], None], errors_lost: Callable[[OSError], None]
) -> None:
    """Gives this process streams that raise nothing, and names of files that are UTF-8.

    Args:
      output_lost: called when standard output is lost, with why.
      errors_lost: the same of standard error.
    """
    _open_missing()
    _enter_utf8_mode()
    codecs.register_error(_READABLE, _replace)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, AttributeError):
            stream.flush()
    sys.stdout = Stream(sys.stdout, 1, output_lost)
    sys.stderr = Stream(sys.stderr, 2, errors_lost)


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Standard error goes nowhere: what TensorFlow says on loading would hide our own lines.

    Some of it comes from C++, whatever its log level is.
    """
    before = os.dup(2)
    try:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


def _open_missing() -> None:
    """Opens a descriptor that was closed at the start: the next file would take its number."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _enter_utf8_mode() -> None:
    """Starts this command again where Python would not take names of files for UTF-8.

    TensorFlow does whatever the locale is, and would write in another folder. What is printed stays
    in the terminal's encoding.
    """
    if sys.getfilesystemencoding() == "utf-8":
        return
    environment = dict(os.environ)
    if sys.stdout is not None:
        environment["PYTHONIOENCODING"] = sys.stdout.encoding
    command = [sys.executable, "-X", "utf8", *sys.orig_argv[1:]]
    os.execve(sys.executable, command, environment)


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Marks of ours in ASCII, any other character by its number, a byte of no text as a byte."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_shown, error.object[error.start : error.end])), error.end


def _shown(character: str) -> str:
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    return _ASCII.get(character) or character.encode("ascii", "backslashreplace").decode()
