"""How many records of each split were read, kept, and rejected for which reason.

>>> shards = [SplitCounts(5, 4, {"empty": 1}), SplitCounts(3, 1, {"empty": 1, "truncated": 1})]
>>> total(shards)
SplitCounts(read=8, kept=5, rejected={'empty': 2, 'truncated': 1})
>>> total(shards).num_rejected, by_reason(total(shards).rejected)
(3, '2 empty, 1 truncated')
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from components.storage import as_path, write_whole

COUNTS = "counts.json"
"""The file in the folder of the Examples artifact, beside its splits."""


@dataclass(frozen=True)
class SplitCounts:
    """The counts of a split: read = kept + the sum of rejected.

    Attributes:
      read: records that were read.
      kept: records that became examples.
      rejected: records that went to the quarantine, by reason.
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
        """Records rejected for any reason."""
        return sum(self.rejected.values())


Counts = dict[str, SplitCounts]
"""Counts by split."""


def total(counts: Iterable[SplitCounts]) -> SplitCounts:
    """The sum over splits or shards."""
    return sum(counts, SplitCounts())


def by_reason(rejected: Mapping[str, int]) -> str:
    """`12 truncated, 3 empty`, the most frequent first."""
    ordered = sorted(rejected.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in ordered)


def write_counts(counts: Mapping[str, SplitCounts], examples_uri: str) -> None:
    """Writes the counts beside the splits, for steps that are given files and no artifact."""
    write_whole(
        as_path(os.path.join(examples_uri, COUNTS)), json.dumps(as_values(counts), indent=2)
    )


def read_counts(examples_uri: str) -> Counts:
    """Reads what `write_counts` wrote."""
    return _from_json(as_path(os.path.join(examples_uri, COUNTS)).read_text(encoding="utf-8"))


def counts_of(examples: Any) -> Counts:
    """Reads the counts from the custom properties of an Examples artifact (`set_counts`)."""
    return _from_json(examples.get_string_custom_property("counts") or "{}")


def set_counts(examples: Any, counts: Mapping[str, SplitCounts]) -> None:
    """Sets the counts as custom properties of an Examples artifact.

    `num_examples_<split>`, `num_read_<split>` and `num_rejected_<split>` can be queried in ML
    Metadata; `counts` holds everything as JSON, with the reasons.
    """
    for split, of_split in counts.items():
        examples.set_int_custom_property(f"num_examples_{split}", of_split.kept)
        examples.set_int_custom_property(f"num_read_{split}", of_split.read)
        examples.set_int_custom_property(f"num_rejected_{split}", of_split.num_rejected)
    examples.set_string_custom_property("counts", json.dumps(as_values(counts)))


def as_values(counts: Mapping[str, SplitCounts]) -> dict[str, dict[str, Any]]:
    """Plain values, ready for JSON."""
    return {split: asdict(of_split) for split, of_split in counts.items()}


def _from_json(text: str) -> Counts:
    return {split: SplitCounts(**of_split) for split, of_split in json.loads(text).items()}
