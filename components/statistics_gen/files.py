"""Where the statistics of a split are, by TFX's rule.

>>> str(statistics_file("/out/artifacts/StatisticsGen/statistics/4", "train"))
'/out/artifacts/StatisticsGen/statistics/4/Split-train/FeatureStats.pb'
"""

from __future__ import annotations

from components.storage import AnyPath, split_folder


def statistics_file(uri: str, split: str) -> AnyPath:
    """The file that holds a `DatasetFeatureStatisticsList`.

    Args:
      uri: of an ExampleStatistics artifact.
      split: of it.
    """
    return split_folder(uri, split) / "FeatureStats.pb"
