"""Which data new ones are compared with."""

from __future__ import annotations

from typing import Any

from tfx.dsl.components.common.resolver import ResolverStrategy

PASSED_PROPERTY = "passed"
SPAN_PROPERTY = "span"
CLASSES_PROPERTY = "class_names"
STATISTICS_PROPERTY = "statistics_id"
"""Custom properties that DataGate gives its checks."""

_STATISTICS, _CHECKS = "statistics", "checks"


class LastPassedStrategy(ResolverStrategy):
    """The data of the last span before this one that passed the gate.

    Earlier spans alone: the same data run again are compared with what they were compared with at
    first, and the gate's cache holds.

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

        Args:
          store: the ML Metadata store.
          input_dict: all artifacts by channel, `statistics` and `checks`.
        """
        statistics = {found.id: found for found in input_dict[_STATISTICS]}
        passed = [
            checks
            for checks in input_dict[_CHECKS]
            if checks.get_int_custom_property(PASSED_PROPERTY) == 1
            and checks.get_string_custom_property(CLASSES_PROPERTY) == self._class_names
            and checks.get_int_custom_property(SPAN_PROPERTY) < self._span
            and checks.get_int_custom_property(STATISTICS_PROPERTY) in statistics
        ]
        if not passed:
            return {_STATISTICS: [], _CHECKS: []}
        last = max(passed, key=_span_and_age)
        of_last = statistics[last.get_int_custom_property(STATISTICS_PROPERTY)]
        return {_STATISTICS: [of_last], _CHECKS: [last]}


def _span_and_age(checks: Any) -> tuple[int, int]:
    return checks.get_int_custom_property(SPAN_PROPERTY), checks.id
