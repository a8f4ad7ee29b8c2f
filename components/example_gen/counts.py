"""How many records each split had, kept, and set aside for which reason."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from components.storage import as_path, write_whole

COUNTS = "counts.json"
"""In the folder of the Examples artifact, beside its splits."""


@dataclass(frozen=True)
class SplitCounts:
    """read = kept + the sum of rejected.

    Attributes:
      read: records that were looked at.
      kept: of them that became examples.
      rejected: how many were set aside, by reason.
    """

    read: int = 0
    kept: int = 0
    rejected: dict[str, int] = field(default_factory=dict)

    def __add__(self, other: SplitCounts) -> SplitCounts:
        rejected = Counter(self.rejected) + Counter(other.rejected)
        return SplitCounts(
            self.read + other.read, self.kept + other.kept, dict(sorted(rejected.items()))
        )

    @property
    def num_rejected(self) -> int:
        """Records set aside, for whatever reason."""
        return sum(self.rejected.values())


Counts = dict[str, SplitCounts]
"""By split."""


def total(counts: Iterable[SplitCounts]) -> SplitCounts:
    """The sum over splits or shards."""
    return sum(counts, SplitCounts())


def write_counts(counts: Mapping[str, SplitCounts], examples_uri: str) -> None:
    """Leaves the counts beside the splits, for steps that are told of files, not of artifacts."""
    write_whole(
        as_path(os.path.join(examples_uri, COUNTS)), json.dumps(as_values(counts), indent=2)
    )


def read_counts(examples_uri: str) -> Counts:
    """The inverse of `write_counts`."""
    return _of_json(as_path(os.path.join(examples_uri, COUNTS)).read_text(encoding="utf-8"))


def counts_of(examples: Any) -> Counts:
    """The same from the custom properties of an Examples artifact (`set_counts`)."""
    return _of_json(examples.get_string_custom_property("counts") or "{}")


def set_counts(examples: Any, counts: Mapping[str, SplitCounts]) -> None:
    """Gives an Examples artifact its counts as custom properties.

    `num_examples_<split>`, `num_read_<split>` and `num_rejected_<split>`, which ML Metadata can be
    asked for, and all with the reasons as JSON, `counts`.
    """
    for split, of_split in counts.items():
        examples.set_int_custom_property(f"num_examples_{split}", of_split.kept)
        examples.set_int_custom_property(f"num_read_{split}", of_split.read)
        examples.set_int_custom_property(f"num_rejected_{split}", of_split.num_rejected)
    examples.set_string_custom_property("counts", json.dumps(as_values(counts)))


def as_values(counts: Mapping[str, SplitCounts]) -> dict[str, dict[str, Any]]:
    """Plain values, ready for JSON."""
    return {split: asdict(of_split) for split, of_split in counts.items()}


def _of_json(text: str) -> Counts:
    return {split: SplitCounts(**of_split) for split, of_split in json.loads(text).items()}
