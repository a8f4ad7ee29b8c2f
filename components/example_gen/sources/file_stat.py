"""What identifies a stored file: its size and modification time, or a digest of its values.

>>> import tempfile
>>> with tempfile.NamedTemporaryFile() as file:
...     _ = os.utime(file.name, ns=(0, 7))
...     size_and_time(file.name)
'0:7'
"""

from __future__ import annotations

import hashlib
import os
from typing import Any

from components.example_gen.sources.stored import parsed
from components.example_gen.sources.tfrecord_file import DamagedError, frames
from components.storage import AnyPath, is_local

_READ_BYTES = 64_000_000
"""Records of larger files are not read."""


def size_and_time(path: Any) -> str:
    """Length in bytes and modification time, in nanoseconds on a local file system.

    Args:
      path: local or in an object store.
    """
    try:
        local = os.stat(path)
        return f"{local.st_size}:{local.st_mtime_ns}"
    except OSError:
        remote = path.stat()
        return f"{remote.length}:{remote.mtime}"


def records_digest(path: AnyPath, skip: int, take: int) -> str | None:
    """SHA-256 over the values of tf.Examples in a TFRecord file, whatever their byte order.

    A tf.Example is a map, whose entries may be serialized in any order.

    Args:
      path: of the file.
      skip: records to skip.
      take: records to read.

    Returns:
      None if the file is large, in an object store, damaged, or in another format.
    """
    if not is_local(path) or os.path.getsize(path) > _READ_BYTES:
        return None
    digest, read = hashlib.sha256(), 0
    try:
        for frame in frames(str(path), range(skip, skip + take)):
            if frame.record is None:
                continue
            if not frame.whole:
                return None
            digest.update(_values(frame.record))
            read += 1
    except DamagedError:
        return None
    return digest.hexdigest() if read == take else None


def _values(record: bytes) -> bytes:
    """The features of a tf.Example, sorted, with kind, lengths and values; otherwise its bytes."""
    example = parsed(record)
    if example is None:
        return record
    parts = []
    for name, feature in sorted(example.features.feature.items()):
        kind = feature.WhichOneof("kind") or ""
        values = getattr(feature, kind).value if kind else ()
        if kind == "bytes_list":
            parts += [repr((name, kind, [len(value) for value in values])).encode(), *values]
        else:
            parts.append(repr((name, kind, list(values))).encode())
    return b"".join(parts)
