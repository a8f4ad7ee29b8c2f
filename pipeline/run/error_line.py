r"""The one line of an error that says what went wrong.

>>> error = ValueError("Traceback (most recent call last):\nthe image is empty")
>>> one_line(error)
'ValueError: the image is empty'
>>> without_place("the image is empty [while running 'Read/Map']")
'the image is empty'
"""

from __future__ import annotations

import re

_NOISE = re.compile(
    r"Graph execution error|Detected at node|Traceback|File \""
    r"|<stack traces|\[\[|\(most recent call"
)
_TRACEBACK = "Traceback (most recent call last):"
_WORKER_GONE = re.compile(
    r"StatusRuntimeException: (CANCELLED: (?:call already cancelled|client cancelled"
    r"|Multiplexer hanging up|cancelled before receiving half close))"
)
"""What Beam's Java runners say once the connection of a worker is gone; not which worker."""
_RAISED = re.compile(r"(?m)^(?:\w+\.)*([A-Z]\w*): (.+)$")


def one_line(error: BaseException) -> str:
    """Type and the line that matters: TensorFlow puts the place before what happened.

    A Beam runner of other processes puts the worker's whole traceback into an error of its own;
    the result is then what the worker raised. A worker that was killed raises nothing: that is
    said in place of what its connection did.
    """
    if gone := _WORKER_GONE.search(str(error)):
        return (
            f"{type(error).__name__}: a Beam worker process ended amid its work ({gone[1]}): it "
            "was killed, or the machine ran out of memory. The logs of the task manager and of its "
            "worker pool say which; `dmesg` names what the kernel killed."
        )
    raised = _raised_elsewhere(str(error))
    if raised:
        return raised
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not _NOISE.match(line)]
    line = without_place((telling or lines or [""])[0])
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def _raised_elsewhere(text: str) -> str:
    """Type and first line of what ends the last traceback in a text; empty without one."""
    _, traceback, rest = text.rpartition(_TRACEBACK)
    found = _RAISED.search(rest) if traceback else None
    return f"{found[1]}: {without_place(found[2])}" if found else ""


def without_place(line: str) -> str:
    """What Beam wraps an error's text in, taken off: where in its graph the error was."""
    return line.partition(" [while running")[0]
