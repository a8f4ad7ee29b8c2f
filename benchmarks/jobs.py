"""Jobs of the Trainer as the pipeline makes them, without the pipeline: data, graph, settings."""

from __future__ import annotations

import functools
import runpy
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, Figures, run
from components.backbone.handle import find_backbone
from components.example_gen.config import DataConfig
from components.trainer.plan import Plan
from components.trainer.settings import Job, TrainerSettings
from components.transform.config import ImageSizes
from pipeline.config import Config, load_config
from pipeline.config.beam import IN_PROCESS


@dataclass(frozen=True)
class Stored:
    """An Examples artifact.

    Attributes:
      folder: its own.
      class_names: names by class index.
      num_train: images of the train split.
      num_eval: images of the eval split.
    """

    folder: Path
    class_names: tuple[str, ...]
    num_train: int
    num_eval: int

    def files(self, split: str) -> list[str]:
        """TFRecord files (gzip) of a split."""
        return sorted(str(path) for path in self.folder.glob(f"Split-{split}/*.gz"))


def prepare_digits(data_dir: Path) -> None:
    """Has tfds prepare digits."""
    import tensorflow_datasets as tfds

    from components.example_gen.sources import digits as _digits  # noqa: F401

    tfds.builder("digits", data_dir=str(data_dir)).download_and_prepare()


def prepare_flowers(data_dir: Path, count: int) -> None:
    """Has tfds prepare tf_flowers from so many drawn JPEGs of mixed size."""
    # By its path: an installed package may be called `tests` too.
    drawn = runpy.run_path(str(ROOT / "tests" / "drawn.py"))
    drawn["prepare_flowers"](data_dir, count)


def preset(name: str, data_dir: Path, overrides: Iterable[str] = ()) -> Config:
    """A shipped preset on the data in `data_dir`."""
    return load_config(name, overrides=[f"data.data_dir={data_dir}", *overrides])


def copy_examples(config: DataConfig, folder: Path) -> Stored:
    """Runs ImageExampleGen's executor."""
    from components.example_gen.counts import counts_of

    source, examples, copy = example_gen(config, folder, [f"--runner={IN_PROCESS}"])
    copy()
    counts = counts_of(examples)
    return Stored(folder, source.class_names, counts["train"].kept, counts["eval"].kept)


def example_gen(
    config: DataConfig, folder: Path, flags: Sequence[str]
) -> tuple[Any, Any, Callable[[], None]]:
    """The source, the Examples artifact, and what fills it: ImageExampleGen's executor.

    Args:
      config: the `data` section.
      folder: of the examples; the index and the quarantine are beside it.
      flags: of the Beam pipeline.
    """
    from tfx.types.standard_artifacts import Examples

    from components.artifacts import ImageIndex, Quarantine
    from components.example_gen.executor import Executor
    from components.example_gen.sources.source import open_source

    source = open_source(config)
    outputs = {"examples": Examples(), "index": ImageIndex(), "quarantine": Quarantine()}
    for name, artifact in outputs.items():
        artifact.uri = str(folder) if name == "examples" else f"{folder}-{name}"
    properties = {
        "data": config.model_dump_json(), "fingerprint": source.fingerprint, "span": 1, "code": ""
    }  # fmt: skip
    filled = {name: [artifact] for name, artifact in outputs.items()}
    executor = Executor(beam_context(flags))
    return source, outputs["examples"], lambda: executor.Do({}, filled, properties)


def beam_context(flags: Sequence[str]) -> Any:
    """What TFX hands to the executor of a Beam step."""
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor

    return BaseBeamExecutor.Context(
        beam_pipeline_args=list(flags), tmp_dir=tempfile.gettempdir(), unique_id="1"
    )


def write_graph(folder: Path, sizes: ImageSizes) -> str:
    """The Transform step's output for these sizes; it is the same whatever the images are."""
    import apache_beam as beam
    import tensorflow as tf
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

    from components.transform.config import WHITE
    from components.transform.preprocessing import preprocessing_fn

    spec = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    png = tf.io.encode_png(tf.zeros((8, 8, 3), tf.uint8)).numpy()
    told = {"resize": sizes.resize, "evaluate": sizes.evaluate, "background": WHITE}
    function = functools.partial(preprocessing_fn, custom_config=told)
    with beam.Pipeline(runner=IN_PROCESS) as pipeline, tft_beam.Context(f"{folder}/tmp"):
        data = pipeline | beam.Create([{"image": png, "label": 0}]), metadata
        _, graph = data | tft_beam.AnalyzeAndTransformDataset(function)
        _ = graph | tft_beam.WriteTransformFn(f"{folder}/graph")
    metadata_io.write_metadata(metadata, f"{folder}/graph/metadata")
    return f"{folder}/graph"


def sizes_of(config: Config) -> ImageSizes:
    """The sizes of a configuration that says them in numbers."""
    return config.preprocessing.sizes((0, 0), paper=False)


def make_job(config: Config, stored: Stored, graph: str, folder: Path, **training: Any) -> Job:
    """What a Trainer is told.

    Args:
      config: the whole run.
      stored: its examples.
      graph: from `write_graph`.
      folder: where the training writes.
      **training: keys of `training` that are other than in `config`.
    """
    backbone = find_backbone(config.backbone)
    settings = TrainerSettings(
        backbone_path=backbone.path,
        backbone_sha256=backbone.sha256,
        trainable_parameters=config.backbone.trainable_parameters,
        mode=config.backbone.mode,
        class_names=stored.class_names,
        sizes=sizes_of(config),
        training=config.training,
        num_train=stored.num_train,
        num_eval=stored.num_eval,
    )
    return Job(
        settings=settings.with_hyperparameters(training),
        train_files=stored.files("train"),
        eval_files=stored.files("eval"),
        transform_graph=graph,
        code="",
        **_below(folder),
    )


def train(job: Job, folder: Path, after: Callable[[Job], Figures] | None = None) -> Figures:
    """One training by our Trainer, in a process and folders of its own.

    Args:
      job: its folders do not matter.
      folder: where its own are made.
      after: looks at what it left, before that is removed.
    """
    with tempfile.TemporaryDirectory(dir=folder) as name:
        own = job.model_copy(update=_below(Path(name)))
        told = Path(name, "job.json")
        told.write_text(own.model_dump_json())
        figures = run("benchmarks.ours", [str(told)])
        return figures if after is None else {**figures, **after(own)}


def _below(folder: Path) -> dict[str, str]:
    return {
        "model_run": f"{folder}/run",
        "serving_model": f"{folder}/model",
        "checkpoints": f"{folder}/checkpoints",
    }


def train_plainly(config: Config, plan: Plan) -> Figures:
    """The same training by the plain script, in a process of its own."""
    return run("benchmarks.seed", as_seed(config, plan), TFDS_DATA_DIR=str(config.data.data_dir))


def as_seed(config: Config, plan: Plan) -> list[str]:
    """A configuration as the arguments of the plain script."""
    sizes, training, splits = sizes_of(config), config.training, config.data.splits
    told = {
        "dataset": config.data.name,
        "backbone": find_backbone(config.backbone).path,
        "mode": config.backbone.mode,
        "resize-to": sizes.resize,
        "crop-to": sizes.crop or 0,
        "batch-size": training.batch_size,
        "base-learning-rate": training.base_learning_rate,
        "steps-per-epoch": plan.steps_per_epoch,
        "epochs": plan.epochs,
        "patience": plan.patience or 0,
        "seed": training.seed,
    }
    given = [part for key, value in told.items() for part in (f"--{key}", str(value))]
    given += [] if sizes.flip else ["--no-flip"]
    # Keras keeps the old rate for the step at the boundary itself, and wants one at least.
    boundaries = plan.schedule.boundaries or (plan.steps + 1,)
    given += ["--boundaries", *(str(step - 1) for step in boundaries)]
    given += ["--split", splits.train, splits.eval]
    return given
