"""What is wrong with the rows of a table: one sentence a kind, with the places and the cure.

>>> from components.example_gen.sources.table_file import Table
>>> table = Table("/photos/labels.csv", ("image", "label"), (2, 3, 4), list)
>>> unlabelled = [(0, 0, "a.jpg"), (0, 2, "c.jpg")]
>>> check_rows([table], {NOT_THERE: [(0, 1, "b.jpg")], NO_LABEL: unlabelled})
Traceback (most recent call last):
...
components.errors.UserError: data.table /photos/labels.csv:
  1 row names a file that is not there (line 3: b.jpg): copy it there, or remove the row
  2 rows have no class (lines 2, 4): give one, or remove the row
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from components.errors import UserError
from components.example_gen.sources.table_file import KEY, Table

Place = tuple[int, int, str]
"""Number of the file, of its row from 0, and the name of the image."""


class Mistake(NamedTuple):
    """A kind of mistake.

    Attributes:
      one: the verb for one row.
      several: the verb for several.
      what: the rest of the sentence.
      cure: what to do about it.
      named: whether the first image is named.
    """

    one: str
    several: str
    what: str
    cure: str
    named: bool = False


NO_IMAGE = Mistake("has", "have", "no image", "give its path, or remove the row")
NO_LABEL = Mistake("has", "have", "no class", "give one, or remove the row")
NO_SPLIT = Mistake("has", "have", "no split", "give one, or remove the row")
LEAVES = Mistake(
    *("names", "name", "a path that leaves the table's folder"),
    "write it from the root, as /photos/a.jpg",
    named=True,
)
ELSEWHERE = Mistake(
    *("names", "name", "an address that is not read"),
    "copy the file, and give its path or gs:// URI",
    named=True,
)
OTHER_CLASS = Mistake(
    *("names", "name", "an image that has another class in another row"), "leave one of them"
)
OTHER_SPLIT = Mistake(
    *("names", "name", "an image that is in another split in another row"), "leave one of them"
)
OTHER_VALUE = Mistake(
    *("names", "name", "an image that has other values in another row"), "leave one of them"
)
NOT_THERE = Mistake(
    *("names", "name", "a file that is not there"), "copy it there, or remove the row", named=True
)
BACKSLASH = Mistake(
    *("names", "name", "a file that is not there"), "write its path with / for \\", named=True
)


def check_rows(tables: Sequence[Table], found: Mapping[Mistake, Sequence[Place]]) -> None:
    """Refuses a table with mistakes.

    Args:
      tables: its files.
      found: the places of each kind of mistake.

    Raises:
      UserError: there is one; a line for each kind in each file.
    """
    lines = [line for mistake, places in found.items() for line in _said(tables, mistake, places)]
    if lines:
        more = f" and {len(tables) - 1} more" if len(tables) > 1 else ""
        listed = "\n  ".join(lines)
        raise UserError(f"{KEY} {tables[0].path}{more}:\n  {listed}")


def _said(tables: Sequence[Table], mistake: Mistake, places: Sequence[Place]) -> Iterator[str]:
    by_file: dict[int, list[Place]] = defaultdict(list)
    for place in places:
        by_file[place[0]].append(place)
    for index, of_file in by_file.items():
        table = tables[index]
        where = table.places([row for _, row, _ in of_file])
        where = f"{posixpath.basename(table.path)}, {where}" if len(tables) > 1 else where
        where += f": {of_file[0][2]}" if mistake.named else ""
        count = (
            f"1 row {mistake.one}"
            if len(of_file) == 1
            else f"{len(of_file):,} rows {mistake.several}"
        )
        yield f"{count} {mistake.what} ({where}): {mistake.cure}"
