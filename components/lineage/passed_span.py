"""Which earlier data new data are compared with.

>>> strategy = LastPassedStrategy(span=1, class_names="5f2a")
>>> strategy.resolve_artifacts(store=None, input_dict={"statistics": [], "checks": []})
{'statistics': [], 'checks': [], 'damaged': []}
"""

from __future__ import annotations

from typing import Any

from tfx.dsl.components.common.resolver import ResolverStrategy

from components.lineage.artifacts import DAMAGED, damage_of, warn

PASSED_PROPERTY = "passed"
SPAN_PROPERTY = "span"
CLASSES_PROPERTY = "class_names"
STATISTICS_PROPERTY = "statistics_id"
"""Custom properties that DataGate gives its checks."""

_STATISTICS, _CHECKS = "statistics", "checks"
_NODE = "PassedSpan"


class LastPassedStrategy(ResolverStrategy):
    """The data of the last span before this one that passed the gate.

    Earlier spans alone: the same data run again are compared with what they were compared with at
    first, and the gate's cache holds. Data whose statistics or checks are damaged are skipped.

    Args:
      span: number of the data of this run.
      class_names: digest of the classes; data of other classes cannot be compared.
    """

    def __init__(self, span: int, class_names: str):
        self._span = span
        self._class_names = class_names

    def resolve_artifacts(
        self,
        store: Any,
        input_dict: dict[str, list[Any]],
    ) -> dict[str, list[Any]]:
        """One ExampleStatistics and its DataChecks, or none of either (called by TFX's Resolver).

        `damaged` is the newest ExampleStatistics that was skipped.

        Args:
          store: the ML Metadata store.
          input_dict: all artifacts by channel, `statistics` and `checks`.
        """
        nothing: dict[str, list[Any]] = {name: [] for name in input_dict}
        statistics = {found.id: found for found in input_dict[_STATISTICS]}
        passed = [
            checks
            for checks in input_dict[_CHECKS]
            if checks.get_int_custom_property(PASSED_PROPERTY) == 1
            and checks.get_string_custom_property(CLASSES_PROPERTY) == self._class_names
            and checks.get_int_custom_property(SPAN_PROPERTY) < self._span
            and checks.get_int_custom_property(STATISTICS_PROPERTY) in statistics
        ]
        damaged: list[Any] = []
        for checks in sorted(passed, key=_span_and_age, reverse=True):
            found = statistics[checks.get_int_custom_property(STATISTICS_PROPERTY)]
            damage = damage_of(found) or damage_of(checks)
            if not damage:
                return {**nothing, _STATISTICS: [found], _CHECKS: [checks], DAMAGED: damaged[:1]}
            span = checks.get_int_custom_property(SPAN_PROPERTY)
            warn(found, _NODE, f"the data are not compared with those of span {span}: {damage}")
            damaged.append(found)
        return {**nothing, DAMAGED: damaged[:1]}


def _span_and_age(checks: Any) -> tuple[int, int]:
    return checks.get_int_custom_property(SPAN_PROPERTY), checks.id
