"""Recognises a source's own splits by their names, if the configuration gives no slices.

>>> role_of("Validation_Set"), role_of("roses")
('eval', None)
>>> counts = {"train": 800, "val": 100, "test": 100}
>>> own_slices(counts, has_labels=lambda split: True, full_name="folder/flowers").slices
{'train': 'train', 'eval': 'val', 'test': 'test'}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from components.errors import UserError

_WORDS = {
    "train": {"train", "training", "trn"},
    "eval": {"val", "valid", "validation", "validate", "eval", "evaluation", "dev", "development"},
    "test": {"test", "testing", "tests", "tst"},
}
_BESIDE = {"set", "data", "dataset", "split", "images", "image", "imgs", "img", "photos", "folder"}
"""Other words in split names; numbers are ignored too: `train_set`, `02 Val Images`."""
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^\W\d_]+")


class OwnSplits(NamedTuple):
    """Slices by split, and a note on how they were chosen; empty if nothing was guessed."""

    slices: dict[str, str]
    note: str


def role_of(name: str) -> str | None:
    """`train`, `eval` or `test` for the usual spellings of these names; otherwise None."""
    words = [word.lower() for word in _WORD.findall(name)]
    # The regular expression takes trainset for one word.
    words = [word.removesuffix("set") or word for word in words]
    rest = {word for word in words if word not in _BESIDE and not word.isdigit()}
    return next((role for role, usual in _WORDS.items() if len(rest) == 1 and rest <= usual), None)


def own_slices(
    counts: Mapping[str, int], has_labels: Callable[[str], bool], full_name: str
) -> OwnSplits:
    """The slice for each of our splits if `data.splits` is null.

    A validation split becomes `eval`, and a test split beside it `test`. A test split alone becomes
    `eval`: evaluating on it is better than cutting images off train.

    Args:
      counts: images by split of the source.
      has_labels: whether a split's records have labels; not called for a train split.
      full_name: name of the source, for errors.

    Raises:
      UserError: it has no train split, or several of one role.
    """
    found = {role: _one(role, counts, full_name) for role in _WORDS}
    train = found["train"]
    if train is None:
        raise UserError(
            f"{full_name} has no split called train; it has: {', '.join(sorted(counts))}. Say "
            "which split is which: --set 'data.splits={train: ..., eval: ...}'."
        )
    validation, test = (
        name if name is not None and has_labels(name) else None
        for name in (found["eval"], found["test"])
    )
    evaluated = validation or test
    if evaluated is None:
        return OwnSplits({"train": f"{train}[:85%]", "eval": f"{train}[85%:]"}, "")
    slices = {"train": train, "eval": evaluated}
    if validation and test:
        slices["test"] = test
    reads = [f"{split} reads {name} ({counts[name]:,} images)" for split, name in slices.items()]
    note = f"data.splits is not set, so for {full_name} {', '.join(reads)}."
    if "test" in slices:
        note += " The Evaluator uses eval; set evaluation.split=test to use test."
    return OwnSplits(slices, note)


def _one(role: str, counts: Mapping[str, int], full_name: str) -> str | None:
    names = sorted(name for name in counts if role_of(name) == role)
    # An empty folder cannot be evaluated on.
    names = [name for name in names if counts[name]] or (names if role == "train" else [])
    if len(names) > 1:
        raise UserError(
            f"{full_name} has several splits that may be {role}: {', '.join(names)}. Say which "
            "split is which: --set 'data.splits={train: ..., eval: ...}'."
        )
    return names[0] if names else None
