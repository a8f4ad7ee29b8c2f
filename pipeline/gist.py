"""The one line of an error that says what went wrong."""

from __future__ import annotations

import re

_NOISE = re.compile(
    r"Graph execution error|Detected at node|Traceback|File \""
    r"|<stack traces|\[\[|\(most recent call"
)


def gist(error: BaseException) -> str:
    """Type and telling line: TensorFlow puts where it was before what it was."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not _NOISE.match(line)]
    line = (telling or lines or [""])[0].split(" [while running")[0]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
