"""Statistics over all records that reveal features of mixed kinds, and labels that count from 1.

They are collected while records are copied, so that no record is read twice.

    >>> stats = RecordStats(labels={"after": 12})
    >>> check_first_label(stats, classes=3, first=0)
    Traceback (most recent call last):
    ...
    components.errors.UserError: data.tfrecords: labels seem to count from 1: ...
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from components.errors import UserError
from components.example_gen.screen.quarantine import Reject
from components.example_gen.screen.result import Reason
from components.example_gen.screening import IndexedExample
from components.example_gen.sources.example_label import KINDS, kinds_of
from components.example_gen.sources.stored import parsed

_UNIT = "\0"
"""Between a feature's name and its kind, in the key of a count."""


@dataclass
class RecordStats:
    """Counts over records; the counts of shards and of splits can be added.

    Attributes:
      kinds: examples by name and kind of each feature, joined by a null byte.
      examples: the first source of each, sorted by name.
      labels: records with the label of the `first` or the `last` class, or the invalid label just
        `before` or `after` them.
    """

    kinds: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)

    def __add__(self, other: RecordStats) -> RecordStats:
        firsts = [*self.examples.items(), *other.examples.items()]
        return RecordStats(
            dict(Counter(self.kinds) + Counter(other.kinds)),
            {key: min(source for k, source in firsts if k == key) for key, _ in firsts},
            dict(Counter(self.labels) + Counter(other.labels)),
        )

    def count(
        self, records: Iterable[IndexedExample | Reject], classes: int
    ) -> Iterator[IndexedExample | Reject]:
        """Yields the records unchanged, and counts them."""
        ends = {-1: "before", 0: "first", classes - 1: "last", classes: "after"}
        for record in records:
            if isinstance(record, IndexedExample):
                self._count_kinds(record)
                label: int | None = record.row.label
            else:
                label = record.label if record.reason == Reason.LABEL.value else None
            if label in ends:
                self.labels[ends[label]] = self.labels.get(ends[label], 0) + 1
            yield record

    def _count_kinds(self, record: IndexedExample) -> None:
        example = parsed(record.record)
        for name, kind in kinds_of(example.features.feature):
            key = f"{name}{_UNIT}{kind}"
            self.kinds[key] = self.kinds.get(key, 0) + 1
            self.examples.setdefault(key, record.row.source)

    def mixed_kinds(self) -> dict[str, str]:
        """The most frequent kind of each feature that has several."""
        by_name: dict[str, dict[str, int]] = {}
        for key, count in self.kinds.items():
            name, _, kind = key.rpartition(_UNIT)
            by_name.setdefault(name, {})[kind] = count
        return {
            name: max(sorted(counts), key=lambda kind: counts[kind])
            for name, counts in by_name.items()
            if len(counts) > 1
        }

    def messages(self, kinds: Mapping[str, str]) -> Iterator[str]:
        """A sentence about each feature for which records are rejected.

        Args:
          kinds: the accepted kinds (`mixed_kinds`).
        """
        for name, taken in sorted(kinds.items()):
            for kind, called in KINDS.items():
                key = f"{name}{_UNIT}{kind}"
                if kind != taken and key in self.kinds:
                    yield (
                        f"Feature {name!r} is {KINDS[taken]} in "
                        f"{self.kinds[f'{name}{_UNIT}{taken}']:,} records and {called} in "
                        f"{self.kinds[key]:,}, which are set aside ({self.examples[key]})"
                    )


def check_first_label(stats: RecordStats, classes: int, first: int) -> None:
    """Checks that labels count from the configured first label.

    Args:
      stats: of all splits, including invalid labels.
      classes: how many there are.
      first: `data.tfrecords.first_label`.

    Raises:
      UserError: no record has the first class, and some are one beyond the last; or the reverse.
    """
    labels, last = stats.labels, first + classes - 1
    if labels.get("after") and not labels.get("first"):
        raise UserError(
            f"data.tfrecords: labels seem to count from {first + 1}: no record has label {first}, "
            f"and {labels['after']:,} have {last + 1}, beyond the last of {classes} classes. Each "
            f"image would get the next class's name. Set data.tfrecords.first_label={first + 1}, "
            f"or, if label {last + 1} is another class, add it to data.tfrecords.class_names."
        )
    if first and labels.get("before") and not labels.get("last"):
        raise UserError(
            f"data.tfrecords: labels seem to count from {first - 1}: {labels['before']:,} records "
            f"have label {first - 1}, before data.tfrecords.first_label={first}, and none has "
            f"{last}. Set data.tfrecords.first_label={first - 1}."
        )
