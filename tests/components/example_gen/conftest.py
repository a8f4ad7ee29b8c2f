"""The executor as the launcher runs it, and what it wrote."""

import os

from pipeline.config.beam import IN_PROCESS


def run(folder, config, fingerprint=None, options=()):
    """Runs the executor as the launcher does and returns the filled Examples artifact.

    The others are beside it, `index-of-<its name>`: a name that began as its own would be taken
    for a part of it by TensorFlow's file system in memory.
    """
    from tfx.dsl.components.base import base_beam_executor
    from tfx.types import standard_artifacts

    from components.artifacts import ImageIndex, Quarantine
    from components.example_gen.executor import Executor
    from components.example_gen.sources.source import open_source

    outputs = {
        "examples": standard_artifacts.Examples(),
        "index": ImageIndex(),
        "quarantine": Quarantine(),
    }
    for name, artifact in outputs.items():
        beside = os.path.join(os.path.dirname(str(folder)), f"{name}-of-{os.path.basename(folder)}")
        artifact.uri = str(folder) if name == "examples" else beside
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=[f"--runner={IN_PROCESS}", *options],
        tmp_dir=str(folder),
        unique_id="1",
    )
    fingerprint = fingerprint or open_source(config).fingerprint
    properties = {
        "data": config.model_dump_json(),
        "fingerprint": fingerprint,
        "span": 3,
        "code": "",
    }
    Executor(context).Do({}, {name: [artifact] for name, artifact in outputs.items()}, properties)
    return outputs["examples"]


def records(folder, split):
    """The serialized examples of a split in the order of the files."""
    import tensorflow as tf

    files = sorted(str(path) for path in folder.glob(f"Split-{split}/*"))
    return list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())


def prepare_digits(data_dir, file_format="tfrecord", shards=1):
    """Prepares digits in so many files of a format."""
    import tensorflow_datasets as tfds

    from components.example_gen.sources import digits as _digits  # noqa: F401

    builder = tfds.builder("digits", data_dir=str(data_dir), file_format=file_format)
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(num_shards=shards))
    return builder
