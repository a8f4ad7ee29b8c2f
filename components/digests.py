"""Digests of folders, by content."""

from __future__ import annotations

import hashlib

from components.storage import AnyPath, files_below

_CHUNK_BYTES = 1 << 20


def digest_of_file(path: AnyPath) -> str:
    """SHA-256 of a file's bytes, as hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def digest_of_folder(folder: AnyPath) -> str:
    """SHA-256 over the relative names and contents of all files below `folder`, as hex.

    The same as `find . -type f | sort | xargs sha256sum | sha256sum` prints in the folder, under
    LC_ALL=C and for names without white space.
    """
    lines = [f"{digest_of_file(folder / name)}  ./{name}\n" for name in files_below(folder)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
