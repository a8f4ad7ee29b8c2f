r"""Standard output and error of our commands, whose failure does not stop the work.

A reader can go away (`| head`), a disk can fill up, a descriptor can be closed from the start, and
a terminal can lack the characters that we print. A command's `__main__` is:

    sys.exit(run_command(main))

    >>> _replace(UnicodeEncodeError("ascii", "✓ café", 0, 6, "not in this encoding"))
    ('+ caf\\xe9', 6)
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
"""Name of our handler of encoding errors in Python's registry."""

_ASCII = {"✓": "+", "✗": "x", "·": "-", "—": "-", "…": "...", "→": "->"}
"""Replacements for our own marks if the terminal lacks them."""


class Stream(io.TextIOWrapper):
    """A standard stream that drops text that cannot be written, without an error."""

    def __init__(self, old: TextIO | None, descriptor: int, lost: Callable[[OSError], None]):
        """Replaces `old`; calls `lost` with every error that made it drop text."""
        encoding = getattr(old, "encoding", None) or "utf-8"
        line_buffering = bool(getattr(old, "line_buffering", False))
        write_through = bool(getattr(old, "write_through", False))
        raw = open(descriptor, "wb", closefd=False)  # noqa: SIM115  # Open until the process ends.
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
            # The descriptor is shared with a program that made it non-blocking.
            os.set_blocking(self._descriptor, True)
            self.flush()
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._descriptor)
        os.close(nowhere)
        # Drops what is still in the buffers, and what C libraries print.
        super().flush()
        self._lost(error)


class _Losses:
    """How a command reacts to a lost stream."""

    def __init__(self, goes_on: bool):
        self.goes_on = goes_on
        self.is_over = False
        self.full: OSError | None = None

    def of_output(self, error: OSError) -> None:
        """Called when standard output is lost; a command that continues says so."""
        if self.goes_on:
            reason = error.strerror or error
            if not self.is_over:
                print(f"standard output is closed ({reason}); the work continues.", file=sys.stderr)
        elif error.errno != errno.EPIPE:
            self.full = error

    def of_errors(self, error: OSError) -> None:
        """Called when standard error is lost; nothing can be printed any more."""


def run_command(main: Callable[[], int], *, goes_on: bool = False) -> int:
    """Runs one of our commands, with streams whose failure does not stop it; returns its exit code.

    Args:
      main: the command; it may raise SystemExit, as argparse does.
      goes_on: whether lost output leaves the exit code unchanged, because the work matters more
        than the output. For other commands a full disk is a failure, and a closed pipe is not.
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
    """The exit code of a SystemExit, as Python itself interprets it."""
    if ended.code is None or isinstance(ended.code, int):
        return ended.code or 0
    print(ended.code, file=sys.stderr)
    return 1


def settle_streams(
    output_lost: Callable[[OSError], None], errors_lost: Callable[[OSError], None]
) -> None:
    """Gives this process streams that raise no errors, and UTF-8 file names.

    Args:
      output_lost: is called with the error when standard output is lost.
      errors_lost: the same for standard error.
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
    sys.stderr.flush()
    before = os.dup(2)
    try:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(before)


def _open_missing() -> None:
    """Opens descriptors that were closed at the start: the next file would get their number."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _enter_utf8_mode() -> None:
    """Restarts this command if Python would not encode file names as UTF-8.

    TensorFlow does so in any locale, and would write to another folder. Printed text stays in the
    terminal's encoding.
    """
    if sys.getfilesystemencoding() == "utf-8":
        return
    environment = dict(os.environ)
    if sys.stdout is not None:
        environment["PYTHONIOENCODING"] = sys.stdout.encoding
    command = [sys.executable, "-X", "utf8", *sys.orig_argv[1:]]
    os.execve(sys.executable, command, environment)


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Encodes our marks as ASCII, other characters by number, and undecodable bytes as bytes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_shown, error.object[error.start : error.end])), error.end


def _shown(character: str) -> str:
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    return _ASCII.get(character) or character.encode("ascii", "backslashreplace").decode()
