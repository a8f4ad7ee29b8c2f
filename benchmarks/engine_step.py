"""One step that is a Beam job, alone in its process, on whatever engine it is told: what it took.

    figures = measure.run("benchmarks.engine_step", ["--one", json.dumps({
        "step": "StatisticsGen", "beam": {}, "examples": "/work/examples-400"})])

Time and CPU time are of the executor alone: what it imports comes before. `measure.run` gives the
environment. Called by `benchmarks.engines`, which watches the processes of the cluster meanwhile.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import jobs, measure
from benchmarks.data import CLASSES
from components.evaluator.config import EvaluationConfig, EvaluatorSettings
from components.example_gen.config import DataConfig
from components.process import importing

SPLITS = {"train": "train[:50%]", "eval": "train[50%:]"}
"""Of the photographs: half are evaluated, so that this step has enough to do."""
LIMITS = {"max_bytes": 1_000_000}
"""Some of the bad files are bad by their size under this."""
EXAMPLES = "examples"
"""The folder of the artifact, in the folder that holds it and what is beside it."""

Work = Callable[[], None]
Check = Callable[[], measure.Figures]


def main() -> None:
    """Runs one step, and writes its figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--one", required=True, help="the step, as JSON")
    parser.add_argument("--json", type=Path, required=True, help="where the figures go")
    options = parser.parse_args()
    measure.write(options.json, run_step(json.loads(options.one)))


def run_step(given: dict[str, Any]) -> measure.Figures:
    """Runs a step, and says what it took and what it went over.

    Args:
      given: `step`, the section `beam`, and what the step reads: `photographs` and `target` of
        ImageExampleGen, `examples` of the others, and `model` and `target` of the Evaluator.
    """
    with importing():
        import apache_beam  # noqa: F401
        import tensorflow  # noqa: F401
        import tensorflow_model_analysis  # noqa: F401

        from pipeline.config.beam import BeamConfig
        from pipeline.run.beam_flags import checked_flags

    flags = checked_flags(BeamConfig(**given["beam"]))
    make = {
        "ImageExampleGen": _example_gen, "StatisticsGen": _statistics_gen, "Evaluator": _evaluator
    }  # fmt: skip
    work, check = make[given["step"]](given, flags)
    began, started, cpu = time.time(), time.perf_counter(), time.process_time()
    work()
    seconds = time.perf_counter() - started
    took = {"seconds": seconds, "own_cpu_s": time.process_time() - cpu, "began": began}
    # Before the check, which reads what the step wrote.
    return {**took, "peak_mb": measure.peak_mb(), **check()}


def data_config(photographs: str) -> DataConfig:
    """The `data` section of a folder of photographs."""
    return DataConfig(folder=photographs, splits=SPLITS, screen=LIMITS)


def _example_gen(given: dict[str, Any], flags: Sequence[str]) -> tuple[Work, Check]:
    from components.example_gen.counts import counts_of

    config = data_config(given["photographs"])
    folder = Path(given["target"]) / EXAMPLES
    _, examples, work = jobs.example_gen(config, folder, flags)

    def check() -> measure.Figures:
        counts = counts_of(examples)
        return {
            "read": sum(split.read for split in counts.values()),
            "kept": {name: split.kept for name, split in counts.items()},
            "shards": len(list(folder.glob("Split-*/*"))),
            "bytes": {
                "photographs": _size(Path(given["photographs"])),
                **{path.name: _size(path) for path in sorted(folder.parent.iterdir())},
            },
        }

    return work, check


def _statistics_gen(given: dict[str, Any], flags: Sequence[str]) -> tuple[Work, Check]:
    from tensorflow_metadata.proto.v0 import statistics_pb2
    from tfx.types import Channel
    from tfx.types.standard_artifacts import Examples, ExampleStatistics

    from components.statistics_gen.executor import Executor
    from components.statistics_gen.files import statistics_file
    from pipeline.nodes import statistics_and_schema

    node, _ = statistics_and_schema(Channel(type=Examples), None, "")
    properties = {"stats_options": node.exec_properties["stats_options"], "code": ""}
    statistics = ExampleStatistics()
    statistics.uri = given["target"]
    inputs = {"examples": [_examples(given["examples"])]}
    executor = Executor(jobs.beam_context(flags))

    def check() -> measure.Figures:
        kept = {}
        for split in SPLITS:
            content = statistics_file(statistics.uri, split).read_bytes()
            found = statistics_pb2.DatasetFeatureStatisticsList.FromString(content)
            kept[split] = found.datasets[0].num_examples
        return {"read": sum(kept.values()), "kept": kept}

    return lambda: executor.Do(inputs, {"statistics": [statistics]}, properties), check


def _evaluator(given: dict[str, Any], flags: Sequence[str]) -> tuple[Work, Check]:
    from tfx.types.standard_artifacts import Model, ModelBlessing, ModelEvaluation, TransformGraph

    from components.evaluator.executor import Executor
    from components.evaluator.prediction_table import read_predictions

    settings = EvaluatorSettings(
        evaluation=EvaluationConfig(min_accuracy=0.0), class_names=CLASSES, evaluation_data=""
    )
    model, evaluation, blessing = Model(), ModelEvaluation(), ModelBlessing()
    model.uri = given["model"]
    evaluation.uri, blessing.uri = f"{given['target']}/evaluation", f"{given['target']}/blessing"
    inputs = {
        "examples": [_examples(given["examples"])],
        "model": [model],
        "transform_graph": [TransformGraph()],
    }
    outputs = {"evaluation": [evaluation], "blessing": [blessing]}
    executor = Executor(jobs.beam_context(flags))

    def check() -> measure.Figures:
        rows = read_predictions(evaluation.uri).num_rows
        return {"read": rows, "kept": {"eval": rows}}

    return lambda: executor.Do(inputs, outputs, {"settings": settings.model_dump_json()}), check


def _examples(folder: str) -> Any:
    """The artifact that ImageExampleGen left, without ML Metadata."""
    from tfx.types import artifact_utils
    from tfx.types.standard_artifacts import Examples

    examples = Examples()
    examples.uri = f"{folder}/{EXAMPLES}"
    examples.split_names = artifact_utils.encode_split_names(sorted(SPLITS))
    examples.set_string_custom_property("file_format", "tfrecords_gzip")
    examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    return examples


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
