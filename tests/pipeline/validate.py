"""StatisticsGen, SchemaGen and ExampleValidator as the pipeline has them, in their own process.

python -m tests.pipeline.validate FOLDER KIND[,KIND] [SCHEMA]
"""

import json
import logging
import sys
from pathlib import Path

from tests.components.trainer import jobs

KINDS = {
    "png": ["png"] * 10,
    "mixed": ["png"] * 8 + ["jpeg"] * 2,
    "poison": ["png"] * 9 + ["webp"],
}


def write_examples(folder, count, kinds):
    """Real scans as so many examples, in formats that follow on each other."""
    import io

    import tensorflow as tf
    from PIL import Image

    with tf.io.TFRecordWriter(f"{folder}/data.gz", "GZIP") as writer:
        for index in range(count):
            stream = io.BytesIO()
            Image.open(io.BytesIO(jobs.png(index))).save(stream, kinds[index % len(kinds)])
            features = {
                "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[stream.getvalue()])),
                "label": tf.train.Feature(
                    int64_list=tf.train.Int64List(value=[jobs._scans().target[index]])
                ),
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())


def run(folder, kind, schema=None, counts=(1000, 50)):
    """Leaves the statistics, the schema and the anomalies in folders of these names."""
    from tfx.components.example_validator.executor import Executor as ExampleValidator
    from tfx.components.schema_gen.executor import Executor as SchemaGen
    from tfx.components.schema_gen.import_schema_gen.executor import Executor as ImportSchemaGen
    from tfx.dsl.components.base import base_beam_executor
    from tfx.types import Channel, standard_artifacts

    from pipeline.config.beam import IN_PROCESS
    from pipeline.nodes import statistics_and_schema

    def artifact(kind, name):
        found = kind()
        found.uri = f"{folder}/{name}"
        Path(found.uri).mkdir(parents=True, exist_ok=True)
        return [found]

    examples = artifact(standard_artifacts.Examples, "examples")
    examples[0].split_names = json.dumps(["train", "eval"])
    for split, count in zip(("train", "eval"), counts, strict=True):
        Path(folder, "examples", f"Split-{split}").mkdir()
        write_examples(f"{folder}/examples/Split-{split}", count, KINDS[kind])
    statistics = artifact(standard_artifacts.ExampleStatistics, "statistics")
    schemas = artifact(standard_artifacts.Schema, "schema")
    anomalies = artifact(standard_artifacts.ExampleAnomalies, "anomalies")
    channel = Channel(type=standard_artifacts.Examples)
    statistics_gen, schema_gen = statistics_and_schema(channel, schema, code="")
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=[f"--runner={IN_PROCESS}"], tmp_dir=f"{folder}/tmp", unique_id="1"
    )
    print("--- StatisticsGen", flush=True)
    statistics_gen.EXECUTOR(context).Do(
        {"examples": examples}, {"statistics": statistics}, statistics_gen.exec_properties
    )
    print("--- SchemaGen", flush=True)
    make = ImportSchemaGen() if schema else SchemaGen()
    make.Do({"statistics": statistics}, {"schema": schemas}, schema_gen.exec_properties)
    ExampleValidator().Do(
        {"statistics": statistics, "schema": schemas},
        {"anomalies": anomalies},
        {"exclude_splits": "[]"},
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    for of_kind in sys.argv[2].split(","):
        print(f"=== {of_kind}", flush=True)
        place = Path(sys.argv[1], of_kind)
        place.mkdir()
        run(place, of_kind, Path(sys.argv[3]) if sys.argv[3:] else None)
