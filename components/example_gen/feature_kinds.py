"""What one record does not show and all together do: features of two kinds, labels from 1.

Gathered while records are copied, so that none is read twice for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from components.errors import UserError
from components.example_gen.examine import Kept
from components.example_gen.screen.quarantine import Reject
from components.example_gen.screen.result import Reason
from components.example_gen.sources.example_label import KINDS, kinds_of
from components.example_gen.sources.stored import parsed

_UNIT = "\0"
"""Between a feature's name and its kind, in the key of a count."""


@dataclass
class Seen:
    """Counts over records; those of shards and splits add up.

    Attributes:
      kinds: kept records by name and kind of each feature, which a null byte joins.
      examples: the first source of each, in the order of their names.
      labels: records whose label is the `first` class's or the `last` one's, or that of no class
        just `before` or `after` them.
    """

    kinds: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)

    def __add__(self, other: Seen) -> Seen:
        firsts = [*self.examples.items(), *other.examples.items()]
        return Seen(
            dict(Counter(self.kinds) + Counter(other.kinds)),
            {key: min(source for k, source in firsts if k == key) for key, _ in firsts},
            dict(Counter(self.labels) + Counter(other.labels)),
        )

    def watch(self, records: Iterable[Kept | Reject], classes: int) -> Iterator[Kept | Reject]:
        """The same records, counted as they pass."""
        ends = {-1: "before", 0: "first", classes - 1: "last", classes: "after"}
        for record in records:
            if isinstance(record, Kept):
                self._count(record)
                label: int | None = record.row.label
            else:
                label = record.label if record.reason == Reason.LABEL.value else None
            if label in ends:
                self.labels[ends[label]] = self.labels.get(ends[label], 0) + 1
            yield record

    def _count(self, record: Kept) -> None:
        example = parsed(record.record)
        for name, kind in kinds_of(example.features.feature):
            key = f"{name}{_UNIT}{kind}"
            self.kinds[key] = self.kinds.get(key, 0) + 1
            self.examples.setdefault(key, record.row.source)

    def mixed(self) -> dict[str, str]:
        """The kind that most records have of each feature of which they have several."""
        by_name: dict[str, dict[str, int]] = {}
        for key, count in self.kinds.items():
            name, _, kind = key.rpartition(_UNIT)
            by_name.setdefault(name, {})[kind] = count
        return {
            name: max(sorted(counts), key=lambda kind: counts[kind])
            for name, counts in by_name.items()
            if len(counts) > 1
        }

    def says(self, kinds: Mapping[str, str]) -> Iterator[str]:
        """A sentence on each feature of which records are set aside.

        Args:
          kinds: that are taken (`mixed`).
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


def check_first_label(seen: Seen, classes: int, first: int) -> None:
    """Holds that labels count from where the configuration says.

    Args:
      seen: of all splits, with the labels that are no class's.
      classes: how many there are.
      first: `data.tfrecords.first_label`.

    Raises:
      UserError: none is the first class's, and some are one beyond the last's; or the reverse.
    """
    labels, last = seen.labels, first + classes - 1
    if labels.get("after") and not labels.get("first"):
        raise UserError(
            f"data.tfrecords: labels seem to count from {first + 1}: no record has label {first}, "
            f"and {labels['after']:,} have {last + 1}, beyond the last of {classes} classes. Each "
            f"image would get the next class's name. Set data.tfrecords.first_label={first + 1}, "
            f"or, if label {last + 1} is a class of its own, name it in data.tfrecords.class_names."
        )
    if first and labels.get("before") and not labels.get("last"):
        raise UserError(
            f"data.tfrecords: labels seem to count from {first - 1}: {labels['before']:,} records "
            f"have label {first - 1}, before data.tfrecords.first_label={first}, and none has "
            f"{last}. Set data.tfrecords.first_label={first - 1}."
        )
