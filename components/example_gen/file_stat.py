"""What identifies a stored file: its size and time, or the values that it holds."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from components.example_gen.stored import parsed
from components.example_gen.tfrecord_file import DamagedError, frames
from components.storage import AnyPath, is_local

_READ_BYTES = 64_000_000
"""Of a larger file no record is read."""


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


def records_digest(path: AnyPath, skip: int, take: int) -> str | None:
    """SHA-256 over the values of tf.Examples in a TFRecord file, whatever their bytes.

    A tf.Example is a map, and is written in any order.

    Args:
      path: of the file.
      skip: records before them.
      take: how many.

    Returns:
      None where the file is large, in an object store, damaged, or of another format.
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
            digest.update(_values_digest(frame.record))
            read += 1
    except DamagedError:
        return None
    return digest.hexdigest() if read == take else None


def _values_digest(record: bytes) -> bytes:
    digest, example = hashlib.sha256(), parsed(record)
    if example is None:
        return hashlib.sha256(record).digest()
    features = example.features.feature
    for name in sorted(features):
        kind = features[name].WhichOneof("kind") or ""
        values = getattr(features[name], kind).value if kind else ()
        digest.update(f"{name}\0{kind}\0{len(values)}\0".encode())
        for value in values:
            content = value if isinstance(value, bytes) else repr(value).encode()
            digest.update(f"{len(content)}\0".encode() + content)
    return digest.digest()
