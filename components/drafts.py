"""What the workers of a Beam job write: drafts, until the step names those that count.

A runner may give one piece of work to two workers, or to another one after a failure, and a worker
of a try that failed may go on for a while. So each try writes a file of its own, in a folder that
no reader looks into. The job leaves the list of those that it has counted; the step gives those
their names, and removes the folder with all others in it. A worker that is late finds no folder.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as uri:
...     with opened(uri) as drafts:
...         for text in "first try", "second try":
...             with drafts.file("part") as draft:
...                 _ = Path(draft).write_text(text)
...         drafts.leave([draft])
...         for each in drafts.result():
...             drafts.name(each, Path(uri, "Split-train", "part"))
...     [(path.name, path.read_text()) for path in Path(uri).rglob("*") if path.is_file()]
[('part', 'second try')]
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.durable import make_folder, rename, sync
from components.storage import AnyPath, as_path, io_errors, remove_tree

_logger = logging.getLogger(__name__)

_PREFIX = "unfinished-"
_OPEN = "open"
_RESULT = "result.json"


class LateError(RuntimeError):
    """A worker wrote a file for a step that is over."""


@dataclass(frozen=True)
class Drafts:
    """The folder of one job; it is sent to the workers.

    Attributes:
      folder: path or URI.
    """

    folder: str

    @contextlib.contextmanager
    def file(self, name: str) -> Iterator[str]:
        """A file for one try of a worker: on the disk at the end, removed after an exception.

        Args:
          name: the end of its name, for whoever looks at the folder.

        Yields:
          Its path, which no other try has.

        Raises:
          LateError: the step is over.
        """
        path = as_path(self.folder) / f"{uuid.uuid4().hex}-{name}"
        try:
            yield str(path)
            # An object store has no folders that could be gone, and takes the file.
            if not (as_path(self.folder) / _OPEN).exists():
                raise LateError(f"{path}: the step that it is for is over")
            if isinstance(path, Path):
                sync(path)
        except BaseException:
            with contextlib.suppress(*io_errors()):
                path.unlink()
            raise

    def path(self, name: str) -> str:
        """The path for a library that names its files itself."""
        return f"{self.folder}/{name}"

    def leave(self, value: Any) -> None:
        """Leaves a result of the job for the step: JSON, whole, in place of an earlier try's."""
        with self.file(_RESULT) as draft:
            as_path(draft).write_text(json.dumps(value), encoding="utf-8")
        _rename(as_path(draft), as_path(self.path(_RESULT)))

    def result(self) -> Any:
        """What the job left."""
        return json.loads(as_path(self.path(_RESULT)).read_text(encoding="utf-8"))

    def name(self, draft: str, target: AnyPath) -> None:
        """Gives a draft its name, for good; the folder is made where it is missing."""
        if isinstance(target, Path):
            make_folder(target.parent)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
        _rename(as_path(draft), target)


@contextlib.contextmanager
def opened(uri: str) -> Iterator[Drafts]:
    """The drafts of one job, beside the data of an artifact; all that has no name then is removed.

    Args:
      uri: of the artifact, on the file system of all that is named.
    """
    drafts = Drafts(f"{uri}/{_PREFIX}{uuid.uuid4().hex}")
    folder = as_path(drafts.folder)
    folder.mkdir(parents=True)
    (folder / _OPEN).write_text("", encoding="utf-8")
    try:
        yield drafts
    finally:
        _remove(folder)


def remove_left(folder: Path) -> None:
    """Removes the drafts of jobs whose step was killed; no job of the folder may be under way."""
    for path in (*folder.glob(f"{_PREFIX}*"), *folder.glob(f".{_PREFIX}*")):
        shutil.rmtree(path, ignore_errors=True)


def _rename(draft: AnyPath, target: AnyPath) -> None:
    if isinstance(draft, Path) and isinstance(target, Path):
        rename(draft, target)
    else:
        draft.replace(target)


def _remove(folder: AnyPath) -> None:
    if not isinstance(folder, Path):
        (folder / _OPEN).unlink()
        remove_tree(folder)
        return
    # At once out of the way of late workers, who would fill it while it is being emptied.
    gone = folder.with_name(f".{folder.name}")
    os.rename(folder, gone)
    try:
        shutil.rmtree(gone)
    except OSError as error:
        # Over NFS, a file that a worker of this machine still has open.
        _logger.warning("%s, unfinished files, stays: %s", gone, error)
