"""Every place that a run must write is tried before it starts, not after hours of training.

>>> from pipeline.config import load_config
>>> with tempfile.TemporaryDirectory() as output:
...     Path(output, "run_summary.json").mkdir()
...     check_output(Layout(output), load_config("digits"))
Traceback (most recent call last):
...
components.errors.UserError: .../run_summary.json is a folder, and the run writes a file there: ...
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from components.errors import UserError
from components.pusher.signature import check_private_key
from components.storage import AnyPath, as_path, io_errors, is_local, try_writing
from pipeline.config import Config
from pipeline.run.layout import Layout
from pipeline.steps import STEPS

_FULL_BYTES = 1 << 20
_LOW_BYTES = 500 << 20
_BEAM_FOLDERS = ("temp_location", "staging_location")


def check_output(layout: Layout, config: Config) -> list[str]:
    """Tries all that a run writes on this machine's file systems.

    Args:
      layout: of the run; in an object store nothing of it is tried (`check_stores`).
      config: of the run.

    Returns:
      Warnings, one sentence each.

    Raises:
      UserError: a place cannot be written, or its disk is full.
    """
    places = [(key, path) for key, path in _places(layout, config) if isinstance(path, Path)]
    for key, path in places:
        _try(key, path)
    if isinstance(layout.artifacts, Path):
        _check_below(layout.artifacts)
        for file in (layout.summary, layout.last_run, layout.report, layout.runs):
            if file.is_dir():
                raise UserError(f"{file} is a folder, and the run writes a file there: move it.")
    _check_temporary()
    return _check_space([path for _, path in places])


def check_signing_key(config: Config) -> None:
    """Tries `push.signing_key`, where this machine signs.

    Raises:
      UserError: it cannot sign.
    """
    if config.push.signing_key:
        check_private_key(config.push.signing_key)


def check_stores(layout: Layout, config: Config) -> None:
    """Writes and removes an object at every place in an object store; loads TensorFlow for it.

    Raises:
      UserError: one cannot be written.
    """
    for key, path in _places(layout, config):
        if not is_local(path):
            _try(key, path)


def _places(layout: Layout, config: Config) -> Iterator[tuple[str, AnyPath]]:
    """The key of each folder, for the error, and the folder."""
    for path in (
        layout.output,
        layout.serving,
        layout.artifacts,
        layout.checkpoints,
        layout.metadata.parent,
        layout.report.parent,
        layout.logs(""),
    ):
        yield "the output", path
    if config.data.write_schema:
        yield "data.write_schema", as_path(config.data.write_schema).parent
    for name in _BEAM_FOLDERS:
        folder = config.beam.given().get(name)
        if isinstance(folder, str):
            yield f"beam.options.{name}", as_path(folder)


def _try(key: str, path: AnyPath) -> None:
    try:
        try_writing(path)
    except io_errors() as error:
        raise UserError(f"{path} ({key}) cannot be written: {_reason(error)}.") from error


def _check_below(artifacts: Path) -> None:
    """The folders of steps and of their outputs, which earlier runs have made."""
    for path in (artifacts / step for step in STEPS):
        if path.exists() and not path.is_dir():
            raise UserError(f"{path} is a file, and the run makes a folder there: move it.")
    for folder in (*artifacts.glob("*"), *artifacts.glob("*/*")):
        if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
            raise UserError(f"{folder} (the output) cannot be written by user {os.getuid()}.")


def _check_temporary() -> None:
    try:
        tempfile.gettempdir()
    except OSError as error:
        raise UserError(
            f"No folder for temporary files can be written ({_reason(error)}): set TMPDIR to one."
        ) from error


def _check_space(folders: list[Path]) -> list[str]:
    """Refuses disks that are full; warns of those that are nearly."""
    warnings = []
    there = (
        next(path for path in (folder, *folder.parents) if path.exists()) for folder in folders
    )
    for folder in {path.stat().st_dev: path for path in there}.values():
        disk = os.statvfs(folder)
        free = disk.f_bavail * disk.f_frsize
        if free < _FULL_BYTES or (disk.f_files and not disk.f_favail):
            what = f"{free:,} bytes" if free < _FULL_BYTES else "no inode"
            raise UserError(f"The disk of {folder} is full ({what} free): free some space.")
        if free < _LOW_BYTES:
            warnings.append(
                f"only {free >> 20:,} MB are free on the disk of {folder}; a run keeps its data "
                "set and several copies of its model there."
            )
    return warnings


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
