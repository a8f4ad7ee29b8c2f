r"""What an export leaves: the model, its class names, and `export.json`; all of it or nothing.

>>> import tempfile
>>> from components.export.formats import FORMATS
>>> with tempfile.TemporaryDirectory() as name:
...     target = Path(name, "exports", "1764497700", "onnx")
...     write_export(target, FORMATS["onnx"], b"model", ("daisy", "rose"), {"format": "onnx"})
...     sorted(path.name for path in target.iterdir()), (target / LABELS_TXT).read_text()
(['export.json', 'labels.txt', 'model.onnx'], 'daisy\nrose\n')
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from components.durable import locked, rename, sync_tree, unfinished_folder
from components.errors import UserError
from components.export.formats import Format
from components.finite import write_json

EXPORT_JSON, LABELS_TXT = "export.json", "labels.txt"
_UNFINISHED = ".unfinished-export-"
_EARLIER = ".earlier-export-"
"""Beginning of the name that an earlier export has while the new one takes its place."""


def check_target(target: Path) -> None:
    """Returns where an export can be written, to an empty place or over an earlier export.

    An earlier export whose replacement was killed is put back first.

    Raises:
      UserError: something else is there.
    """
    with _alone(target):
        _settle(target)
    if not target.exists() and not target.is_symlink():
        return
    if not target.is_dir():
        raise UserError(f"--to {target} is no folder: give another one.")
    if any(target.iterdir()) and not (target / EXPORT_JSON).exists():
        raise UserError(
            f"--to {target} holds files that no export wrote: give another folder, or an empty one."
        )


def write_export(
    target: Path,
    format_: Format,
    content: bytes,
    class_names: Sequence[str],
    facts: Mapping[str, Any],
) -> None:
    """Writes the folder of an export, in place of an earlier one.

    Args:
      target: the folder.
      format_: of the model.
      content: of the model's file.
      class_names: names by class index; `labels.txt` has one a line.
      facts: content of `export.json`.

    Raises:
      OSError: it cannot be written; what was there is there still.
    """
    with unfinished_folder(target.parent, _UNFINISHED) as folder:
        (folder / format_.file).write_bytes(content)
        names = "".join(f"{name}\n" for name in class_names)
        (folder / LABELS_TXT).write_text(names, encoding="utf-8")
        write_json(folder / EXPORT_JSON, dict(facts))
        sync_tree(folder)
        with _alone(target):
            _settle(target)
            if not target.exists():
                rename(folder, target)
                return
            # No system call that every file system has puts a folder in another's place.
            rename(target, _earlier(target))
            try:
                rename(folder, target)
            finally:
                _settle(target)


def _settle(target: Path) -> None:
    """Puts an earlier export back where its replacement has not come; else removes it."""
    earlier = _earlier(target)
    if not os.path.lexists(earlier):
        return
    if os.path.lexists(target):
        shutil.rmtree(earlier)
    else:
        rename(earlier, target)


def _earlier(target: Path) -> Path:
    return target.with_name(f"{_EARLIER}{target.name}")


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Waits for others on this machine that replace an export in the same folder."""
    if not target.parent.is_dir():
        yield
        return
    with locked(os.open(target.parent, os.O_RDONLY)):
        yield
