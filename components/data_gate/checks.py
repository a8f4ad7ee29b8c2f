"""The checks of the data: what is compared with which limit, as numbers and as sentences.

>>> [check] = imbalance(np.array([90, 10]), ("daisy", "rose"), limit=5.0)
>>> check.value, check.refuses
(9.0, True)
>>> print(refusal([check]))
The data gate stopped the run before training:
  the largest class of the train split, 'daisy', has 90 images and the smallest, 'rose', 10:
  9 to one; data_gate.max_imbalance allows 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.commands import bit_tfx
from components.data_gate.config import Action
from components.example_gen.counts import SplitCounts, total
from components.finite import read_json, write_json
from components.storage import as_path

TRAIN = "train"
CHECKS = "checks.json"
CLASS_COUNTS = "class_counts.json"
"""Files of the `checks` artifact."""

_TOLERANCE = 1e-9
_NAMED = 10
"""Most classes that a sentence names."""


@dataclass(frozen=True)
class Check:
    """One condition on the data.

    Attributes:
      key: where it is configured, `data_gate.max_reject_fraction`.
      subject: what it looks at, `eval split`.
      passed: whether the data are as the key wants them.
      stops: whether a run ends before training where they are not.
      value: the number that was found; None where there is none.
      limit: what it may be at most; None where any is accepted.
      sentence: all of it, as the user reads it.
    """

    key: str
    subject: str
    passed: bool
    stops: bool
    value: float | None
    limit: float | None
    sentence: str

    @property
    def refuses(self) -> bool:
        """Whether the run ends here."""
        return self.stops and not self.passed


class Anomaly(NamedTuple):
    """An anomaly that TFDV finds in one feature, in its words.

    Attributes:
      split: of the data.
      feature: its name; empty where it is about the whole split.
      short: TFDV's short description.
      description: the long one.
      note: what its words mean here.
      warning: whether it is only a warning to TFDV; it then never stops a run.
    """

    split: str
    feature: str
    short: str
    description: str
    note: str = ""
    warning: bool = False


def rejects(counts: Mapping[str, SplitCounts], limit: float, quarantine: str) -> Iterator[Check]:
    """The share of all images that were set aside, and whether any are left in every split.

    A single bad photograph is a large share of a small split, and no reason to stop.

    Args:
      counts: by split.
      limit: the share that is accepted.
      quarantine: where those that were set aside are.
    """
    whole = total(counts.values())
    share = whole.num_rejected / whole.read if whole.read else 0.0
    key = "data_gate.max_reject_fraction"
    if whole.num_rejected:
        reasons = "; ".join(
            f"{split}: {_listed(found.rejected)}"
            for split, found in counts.items()
            if found.rejected
        )
        says = (
            f"{whole.num_rejected:,} of the {whole.read:,} images read ({percent(share)}) "
            f"{plural(whole.num_rejected, 'was', 'were')} set aside, and {key} allows "
            f"{percent(limit)}: {reasons}. They are in {quarantine}; "
            f"`{_shows(quarantine)}` shows them"
        )
    else:
        says = f"none of the {whole.read:,} images read was set aside"
    yield Check(key, "all splits", share <= limit + _TOLERANCE, True, share, limit, says)
    for split, found in counts.items():
        if not found.kept:
            says = f"no image of the {split} split is left of {found.read:,} read"
            yield Check(f"data.splits.{split}", f"{split} split", False, True, 0, None, says)


def _shows(quarantine: str) -> str:
    """The command that shows what is in a quarantine, `<output>/artifacts/...`."""
    output = quarantine.partition("/artifacts/")[0]
    return bit_tfx("quarantine", "--output", output)


def _listed(rejected: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in rejected.items())


def anomalies(found: Sequence[Anomaly], splits: Sequence[str], action: Action) -> Iterator[Check]:
    """Every anomaly in TFDV's words, or one check that there is none.

    Args:
      found: by ExampleValidator, and by the schema's comparators.
      splits: that were looked at.
      action: data_gate.anomalies.
    """
    key = "data_gate.anomalies"
    for anomaly in found:
        subject = ", ".join(filter(None, [f"{anomaly.split} split", anomaly.feature]))
        stops = action == "stop" and not anomaly.warning
        note = f" ({anomaly.note})" if anomaly.note else ""
        words = f"{anomaly.short}: {anomaly.description.strip()}"
        says = f"{subject}: {words}{note} ({key}: {'stop' if stops else 'report'})"
        yield Check(key, subject, False, stops, None, None, says)
    if not found:
        says = f"TFDV finds no anomaly in {', '.join(splits)}"
        yield Check(key, "all splits", True, action == "stop", None, None, says)


def imbalance(
    counts: NDArray[np.int64], class_names: Sequence[str], limit: float | None
) -> Iterator[Check]:
    """Images of the largest class for one of the smallest that has any; nothing without images.

    Args:
      counts: images of the train split by class index [C].
      class_names: names by class index.
      limit: data_gate.max_imbalance.
    """
    there = np.flatnonzero(counts)
    if not there.size:
        return
    key = "data_gate.max_imbalance"
    largest = there[np.argmax(counts[there])]
    smallest = there[np.argmin(counts[there])]
    ratio = float(counts[largest] / counts[smallest])
    says = (
        f"the largest class of the train split, {class_names[largest]!r}, has {counts[largest]:,} "
        f"images and the smallest, {class_names[smallest]!r}, {counts[smallest]:,}: {ratio:.4g} "
        "to one"
    )
    if limit is not None:
        says += f"; {key} allows {limit:.4g}"
    passed = limit is None or ratio <= limit + _TOLERANCE
    yield Check(key, "train split", passed, limit is not None, ratio, limit, says)


class Compared(NamedTuple):
    """Data whose classes the train split's are compared with.

    Attributes:
      key: where the limit is, `data_gate.max_label_drift`.
      what: as in "and 3 % of <what>".
      counts: images by class index [C]; None where there are no such data yet.
    """

    key: str
    what: str
    counts: NDArray[np.int64] | None


def label_shift(
    counts: NDArray[np.int64], other: Compared, class_names: Sequence[str], limit: float | None
) -> Iterator[Check]:
    """How far the share of any class is from that in other data (L-infinity).

    From counts and not by TFDV: its statistics have the 1,000 most frequent classes, and none
    unless the schema calls the label categorical; any two splits are then equal to it.

    Args:
      counts: images of the train split by class index [C].
      other: the data to compare with.
      class_names: names by class index.
      limit: the distance that is accepted; None only reports it.
    """
    if other.counts is None or not other.counts.sum() or not counts.sum():
        says = f"there is no {other.what} to compare the classes with ({other.key})"
        yield Check(other.key, other.what, True, limit is not None, None, limit, says)
        return
    here, there = counts / counts.sum(), other.counts / other.counts.sum()
    apart = np.abs(here - there)
    farthest = int(np.argmax(apart))
    value = float(apart[farthest])
    says = (
        f"class {class_names[farthest]!r} is {percent(here[farthest])} of the train split and "
        f"{percent(there[farthest])} of the {other.what}: {value:.4g} apart, and {other.key} "
        f"{'is not set' if limit is None else f'allows {limit:.4g}'}"
    )
    passed = limit is None or value <= limit + _TOLERANCE
    yield Check(other.key, other.what, passed, limit is not None, value, limit, says)


def refusal(checks: Iterable[Check]) -> str:
    """The sentences of the checks that stop the run, one a line; empty where none does."""
    lines = [f"  {check.sentence}." for check in checks if check.refuses]
    return "\n".join(["The data gate stopped the run before training:", *lines]) if lines else ""


def write_checks(
    checks: Sequence[Check], class_counts: Mapping[str, Mapping[str, int]], uri: str
) -> None:
    """Fills the `checks` artifact.

    Args:
      checks: all, passed or not.
      class_counts: images by class name, by split.
      uri: the artifact's folder.
    """
    write_json(as_path(uri) / CHECKS, [asdict(check) for check in checks])
    write_json(as_path(uri) / CLASS_COUNTS, class_counts)


def read_checks(uri: str) -> list[Check]:
    """The checks as they were made."""
    return [Check(**check) for check in read_json(as_path(uri) / CHECKS)]


def read_class_counts(uri: str, split: str, class_names: Sequence[str]) -> NDArray[np.int64]:
    """Images of a split by class index [C], as a gate counted them."""
    counts = read_json(as_path(uri) / CLASS_COUNTS)[split]
    return np.array([counts.get(name, 0) for name in class_names], np.int64)


def percent(share: float) -> str:
    """A share as a percentage, for people."""
    return f"{100 * share:.4g} %"


def plural(count: int, one: str, many: str) -> str:
    """The singular or the plural for a count."""
    return one if count == 1 else many


def named(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(map(repr, names[:_NAMED])) + (f" and {more:,} more" if more > 0 else "")
