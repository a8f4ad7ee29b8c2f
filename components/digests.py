"""Folders by content: their digests, and their files listed when written and checked before use.

>>> import tempfile
>>> from pathlib import Path
>>> with tempfile.TemporaryDirectory() as name:
...     folder = Path(name)
...     _ = (folder / "model.pb").write_text("weights")
...     written = list_files(folder)
...     before = damage(folder, written)
...     _ = (folder / "model.pb").write_text("weight")
...     before, damage(folder, written)
('', '...model.pb has 6 bytes where 7 were written')
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Mapping, Sequence
from typing import Any

from components.storage import AnyPath, files_below, io_errors, is_local

_CHUNK_BYTES = 1 << 20
_CHEAP_BYTES = 4 << 20
"""Files up to this size are hashed in every listing on this machine's disk."""

Manifest = Mapping[str, tuple[int, str]]
"""Size in bytes and SHA-256 as hex ("" where it was not taken), by the file's relative name."""


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
    """Identifies a list of classes and their order."""
    return hashlib.sha256(json.dumps(list(class_names)).encode()).hexdigest()


def list_files(folder: AnyPath, every_digest: bool = False) -> dict[str, tuple[int, str]]:
    """Lists the files below a folder.

    Args:
      folder: on a disk or in an object store.
      every_digest: hash all files; else only small ones on a local disk.
    """
    found = {}
    for name in files_below(folder):
        size = _size(folder / name)
        hashed = every_digest or (is_local(folder) and size <= _CHEAP_BYTES)
        found[name] = (size, digest_of_file(folder / name) if hashed else "")
    return found


def to_text(manifest: Manifest) -> str:
    """A manifest as one line of JSON."""
    return json.dumps({name: list(facts) for name, facts in manifest.items()})


def from_text(text: str) -> dict[str, tuple[int, str]]:
    """The inverse of `to_text`."""
    return {name: (int(size), str(digest)) for name, (size, digest) in json.loads(text).items()}


def damage(folder: AnyPath, manifest: Manifest, every_digest: bool = False) -> str:
    """What is wrong with a folder, as the end of a sentence; "" where it is as it was listed.

    Args:
      folder: to be checked before use.
      manifest: its files when it was written.
      every_digest: read all files that have a digest; else only small ones on a local disk.
    """
    try:
        return _damage(folder, manifest, every_digest)
    except io_errors() as error:
        return f"{folder} cannot be read: {error}"


def _damage(folder: AnyPath, manifest: Manifest, every_digest: bool) -> str:
    names = files_below(folder) if folder.exists() else []
    if not names and manifest:
        return f"{folder} is {'empty' if folder.exists() else 'gone'}"
    for name in names:
        if name not in manifest:
            return f"{folder / name} is a file that no step wrote"
    for name, written in manifest.items():
        fault = _fault(folder / name, written, every_digest) if name in names else "is gone"
        if fault:
            return f"{folder / name} {fault}"
    return ""


def _fault(path: AnyPath, written: tuple[int, str], every_digest: bool) -> str:
    size, digest = written
    found = _size(path)
    if found != size:
        return f"has {found:,} bytes where {size:,} were written"
    cheap = is_local(path) and size <= _CHEAP_BYTES
    if digest and (every_digest or cheap) and digest_of_file(path) != digest:
        return "is not what was written: its SHA-256 differs"
    return ""


def _size(path: AnyPath) -> int:
    stat: Any = path.stat()
    return int(stat.st_size if is_local(path) else stat.length)
