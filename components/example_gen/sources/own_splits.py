"""A source's own splits, found by their names, for a configuration that gives no slices."""

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
"""Words that a split's name may have besides, as numbers too: `train_set`, `02 Val Images`."""
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^\W\d_]+")


class OwnSplits(NamedTuple):
    """Slices by split, and how they were chosen, as a sentence; empty where nothing was guessed."""

    slices: dict[str, str]
    says: str


def role_of(name: str) -> str | None:
    """`train`, `eval` or `test` for a split that is called so in a usual spelling; else None."""
    words = [word.lower() for word in _WORD.findall(name)]
    # trainset is one word to a regular expression.
    words = [word.removesuffix("set") or word for word in words]
    said = {word for word in words if word not in _BESIDE and not word.isdigit()}
    return next((role for role, usual in _WORDS.items() if len(said) == 1 and said <= usual), None)


def own_slices(
    counts: Mapping[str, int], has_labels: Callable[[str], bool], full_name: str
) -> OwnSplits:
    """What each of our splits reads where `data.splits` is not given.

    A validation split is `eval`, and a test split beside it is `test`. A test split alone is
    `eval`: a model is better judged on it than on images that are cut off from train.

    Args:
      counts: images by split of the source.
      has_labels: whether a split's records have classes; asked of no train split.
      full_name: of the source, as an error names it.

    Raises:
      UserError: it has no train split, or several of one kind.
    """
    found = {role: _one(role, counts, full_name) for role in _WORDS}
    train = found["train"]
    if train is None:
        raise UserError(
            f"{full_name} has no split called train; it has: {', '.join(sorted(counts))}. Say "
            "which is which: --set 'data.splits={train: ..., eval: ...}'."
        )
    validation, test = (
        name if name is not None and has_labels(name) else None
        for name in (found["eval"], found["test"])
    )
    judged = validation or test
    if judged is None:
        return OwnSplits({"train": f"{train}[:85%]", "eval": f"{train}[85%:]"}, "")
    slices = {"train": train, "eval": judged}
    if validation and test:
        slices["test"] = test
    reads = [f"{split} reads {name} ({counts[name]:,} images)" for split, name in slices.items()]
    says = f"data.splits is not given: of {full_name}, {', '.join(reads)}."
    if "test" in slices:
        says += " evaluation.split=test judges on test; without it eval judges."
    return OwnSplits(slices, says)


def _one(role: str, counts: Mapping[str, int], full_name: str) -> str | None:
    names = sorted(name for name in counts if role_of(name) == role)
    # A folder that is empty is no split to judge on.
    names = [name for name in names if counts[name]] or (names if role == "train" else [])
    if len(names) > 1:
        raise UserError(
            f"{full_name} has several splits that may be {role}: {', '.join(names)}. Say which is "
            "which: --set 'data.splits={train: ..., eval: ...}'."
        )
    return names[0] if names else None
