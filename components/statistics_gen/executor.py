"""TFDV's statistics of every split, computed by all workers.

TFX calls it with the artifacts of the step `StatisticsGen`:

    from components.statistics_gen.executor import Executor

    properties = {"stats_options": options.to_json(), "code": code}
    Executor(context).Do({"examples": [examples]}, {"statistics": [statistics]}, properties)
"""

from __future__ import annotations

from typing import Any

import tensorflow_data_validation as tfdv
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils

from components.drafts import opened
from components.examples import read_batches
from components.lineage.outputs import splits_of
from components.statistics_gen.files import statistics_file


class Executor(base_beam_executor.BaseBeamExecutor):
    """TFX's own reads on one worker of Flink, and leaves Beam's temporary folders of a retry."""

    def Do(  # noqa: N802  # TFX's name.
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Fills `statistics`: a `DatasetFeatureStatisticsList` a split."""
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        statistics = artifact_utils.get_single_instance(output_dict["statistics"])
        splits = splits_of(examples)
        with opened(statistics.uri) as drafts:
            with self._make_beam_pipeline() as pipeline:
                for split in splits:
                    # Of its own: TFDV changes the options that it is given.
                    options = tfdv.StatsOptions.from_json(exec_properties["stats_options"])
                    _ = (
                        pipeline
                        | f"Read[{split}]" >> read_batches(examples.uri, split, "StatisticsGen")
                        | f"Compute[{split}]" >> tfdv.GenerateStatistics(options)
                        | f"Write[{split}]"
                        >> tfdv.WriteStatisticsToBinaryFile(drafts.path(f"{split}.pb"))
                    )
            for split in splits:
                drafts.name(drafts.path(f"{split}.pb"), statistics_file(statistics.uri, split))
        statistics.split_names = artifact_utils.encode_split_names(splits)
        statistics.span = examples.span
