"""How a stored file is told from another one without reading it."""

from __future__ import annotations

import os
from typing import Any


def size_and_time(path: Any) -> str:
    """Length in bytes and time of change, to the nanosecond where the file system is local.

    Args:
      path: of either kind of storage.
    """
    try:
        local = os.stat(path)
        return f"{local.st_size}:{local.st_mtime_ns}"
    except OSError:
        remote = path.stat()
        return f"{remote.length}:{remote.mtime}"
