"""Which columns of a table hold the images, the classes and the splits.

>>> config = TableConfig(path="labels.csv")
>>> columns = find_columns(("id", "file_name", "label", "camera"), config, "labels.csv")
>>> columns.image, columns.label, columns.split
('file_name', 'label', None)
>>> columns.note
'labels.csv: images are in column file_name, classes in label; not used: id, camera.'
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Sequence
from typing import NamedTuple

from components.errors import UserError
from components.example_gen.config import TableConfig
from components.example_gen.sources.table_file import KEY
from components.transform.features import IMAGE, LABEL, SLICE_FEATURES

PATH_NAMES = frozenset(
    {"path", "image", "image_path", "file", "file_name", "filename", "filepath", "file_path"}
)
"""Usual names of a column of paths, in small letters."""
_USUAL = {
    "image": PATH_NAMES | {"img", "img_path", "image_file", "image_file_path", "image_name"},
    "label": {"label", "labels", "class", "class_name", "classname", "category", "target"},
    "split": {"split", "subset", "partition"},
}
_HOLDS = {"image": "images", "label": "classes"}
_PICTURES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp")


class Columns(NamedTuple):
    """The columns of a table.

    Attributes:
      image: of the images.
      label: of the classes.
      split: of the splits; None where there is none.
      others: that become features.
      note: a sentence on those that were guessed, and on what is not used; "" for nothing.
    """

    image: str
    label: str
    split: str | None
    others: tuple[str, ...]
    note: str


def find_columns(names: Sequence[str], config: TableConfig, path: str) -> Columns:
    """Takes the columns that are configured, or else those of a usual name.

    Args:
      names: of all columns.
      config: the `data.table` section.
      path: of the table, for errors and the note.

    Raises:
      UserError: a column is not there, several have a usual name or none has, or one has two uses.
    """
    found = {what: _one(what, names, config, path) for what in _USUAL}
    others = config.columns or ()
    for name in others:
        if name in (IMAGE, LABEL, *SLICE_FEATURES):
            raise UserError(
                f"{KEY}.columns: {name!r} is the name of a feature that every example has. Rename "
                f"the column in {path}."
            )
        _check(name, names, "columns", path)
    image, label, split = found["image"], found["label"], found["split"]
    taken = [name for name in (image, label, split) if name is not None]
    if len(set(taken)) < len(taken):
        raise UserError(
            f"{KEY} {path}: one column has two uses: image {image}, label {label}, split {split}. "
            f"Name three columns below {KEY}."
        )
    note = ""
    if any(getattr(config, what) is None and found[what] for what in _USUAL):
        splits = f", splits in {split}" if split else ""
        rest = [name for name in names if name and name not in (*taken, *others)]
        more = f"; not used: {', '.join(rest)}" if rest else ""
        note = f"{path}: images are in column {image}, classes in {label}{splits}{more}."
    return Columns(str(image), str(label), split, tuple(others), note)


def _one(what: str, names: Sequence[str], config: TableConfig, path: str) -> str | None:
    given: str | None = getattr(config, what)
    if given is not None:
        _check(given, names, what, path)
        return given
    usual = [name for name in names if name.lower() in _USUAL[what]]
    exact = [name for name in usual if name == what]
    if len(usual) == 1 or (not usual and what == "split"):
        return next(iter(usual), None)
    listed = ", ".join(filter(None, names)) or "nothing"
    example = usual[0] if usual else "NAME"
    command = shlex.quote(f"{KEY}.{what}={(exact or [example])[0]}")
    if usual:
        raise UserError(
            f"{KEY} {path}: {' and '.join(usual)} may all hold the {_HOLDS.get(what, 'splits')}. "
            f"Say which: --set {command}."
        )
    header = ""
    if any(name.lower().endswith(_PICTURES) for name in names):
        header = " The first line must name the columns: image,label."
    raise UserError(
        f"{KEY} {path}: no column is called as one of {_HOLDS[what]} usually is; it has: {listed}. "
        f"Name it: --set {command}.{header}"
    )


def _check(name: str, names: Sequence[str], key: str, path: str) -> None:
    if name in names:
        return
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise UserError(
        f"{KEY}.{key}: {path} has no column {name!r}; {hint}it has: "
        f"{', '.join(filter(None, names))}."
    )
