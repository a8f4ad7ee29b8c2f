"""Digests of folders, by content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Sequence

from components.storage import AnyPath, files_below

_CHUNK_BYTES = 1 << 20


def digest_of_file(path: AnyPath) -> str:
    """SHA-256 of a file's bytes, as hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def digests_of_files(folder: AnyPath) -> dict[str, str]:
    """SHA-256 of every file below `folder`, by its relative name, sorted."""
    return {name: digest_of_file(folder / name) for name in files_below(folder)}


def digest_of_folder(folder: AnyPath, leave_out: Container[str] = ()) -> str:
    """SHA-256 over the relative names and contents of the files below `folder`, as hex.

    The same as `find . -type f | sort | xargs sha256sum | sha256sum` prints in the folder, under
    LC_ALL=C and for names without white space.

    Args:
      folder: whose files, in it and in folders below it.
      leave_out: relative names, with slashes, of files that do not count.
    """
    names = (name for name in files_below(folder) if name not in leave_out)
    return digest_of_digests({name: digest_of_file(folder / name) for name in names})


def digest_of_digests(files: dict[str, str]) -> str:
    """`digest_of_folder` of a folder from the digests of its files."""
    lines = [f"{digest}  ./{name}\n" for name, digest in files.items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def digest_of_classes(class_names: Sequence[str]) -> str:
    """Names a list of classes, their order included."""
    return hashlib.sha256(json.dumps(list(class_names)).encode()).hexdigest()
