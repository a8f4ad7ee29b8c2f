"""Finds and identifies everything that a run reads, before TFX starts.

>>> import tempfile
>>> from pathlib import Path
>>> from pipeline.config import load_config
>>> with tempfile.TemporaryDirectory() as folder:
...     config = load_config("digits", overrides=[f"data.data_dir={folder}/tfds"])
...     inputs = resolve(config, Layout(Path(folder, "out")))
Downloading and preparing dataset ...
>>> inputs.source.full_name, inputs.backbone.handle, inputs.sizes.evaluate
('digits/1.0.0', 'bit-mini', 32)
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass

from components.backbone.handle import Backbone, find_backbone
from components.errors import UserError
from components.evaluator.config import EvaluationConfig
from components.example_gen.config import SplitsConfig
from components.example_gen.sources.source import Source, open_source
from components.progress import report
from components.pusher.rollback import serving_state
from components.storage import AnyPath
from components.trainer.hyperrule import resolution
from components.transform.config import KERAS_IO_SIZES, ImageSizes
from components.transform.features import IMAGE, LABEL, SLICE_FEATURES
from components.tuner.holdout import held_out_count
from pipeline.config import Config, dump_config
from pipeline.config.beam import check_reachable
from pipeline.config.services import check_workers
from pipeline.inputs.code import project_digest, step_digests
from pipeline.inputs.schema import settle_schema
from pipeline.run.layout import Layout
from pipeline.run.output_path import check_folder
from pipeline.steps import graph_of


@dataclass(frozen=True)
class Inputs:
    """Data, backbone, code and serving folder as they are now.

    Attributes:
      config: the configuration, with the data's own splits if it gives none.
      source: the prepared data set.
      backbone: the pre-trained network on this machine.
      sizes: of images, in training and evaluation.
      schema: the curated schema's file, named by its digest; None infers a schema.
      code: digest of the code of each step of this configuration.
      served: `components.pusher.rollback.serving_state`; empty if there is no version.
      key: digest of everything that a run depends on, except the served model.
      image: the container image of the steps and its commit; empty outside of a container.
    """

    config: Config
    source: Source
    backbone: Backbone
    sizes: ImageSizes
    schema: AnyPath | None
    code: dict[str, str]
    served: str
    key: str
    image: tuple[str, str] = ("", "")


def resolve(config: Config, layout: Layout) -> Inputs:
    """Finds all inputs of a run, and prepares the data set if needed.

    Raises:
      UserError: an input is missing or unusable, or inputs do not fit together.
    """
    check_reachable(config.beam, str(layout.output))
    check_workers(config.beam)
    backbone = find_backbone(config.backbone)
    check_folder(f"backbone.handle {backbone.handle}: its folder", backbone.path)
    config = _with_columns(config)
    source = open_source(config.data)
    config = _with_splits(config, source)
    for text in source.notes:
        report(text, event="note", text=text)
    check_reachable(config.beam, source.data_dir)
    _check_classes(source)
    _check_gates(config.evaluation, source)
    _check_weights(config, source)
    sizes = settle_sizes(config, source)
    if config.search:
        classes = len(source.class_names)
        held_out_count(source.num_examples("train"), config.search.holdout, classes)
        try:
            config.search.check_sizes(sizes)
        except ValueError as error:
            raise UserError(f"{error}.") from error
    schema = settle_schema(config.data, layout)
    depends_on = [
        dump_config(config),
        source.fingerprint,
        backbone.sha256,
        # The schema's digest, which does not depend on the output folder.
        schema.parent.name if schema else "",
        project_digest(),
    ]
    return Inputs(
        config=config,
        source=source,
        backbone=backbone,
        sizes=sizes,
        schema=schema,
        code={step: digest for step, digest in step_digests().items() if step in graph_of(config)},
        served=serving_state(layout.serving),
        key=hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest(),
        image=(os.environ.get("BIT_IMAGE", ""), os.environ.get("BIT_COMMIT", "")),
    )


def _with_columns(config: Config) -> Config:
    """The configuration with the columns of the table that the evaluation slices by."""
    table = config.data.table
    if table is None or table.columns is not None:
        return config
    named = [gate.feature for gate in config.evaluation.slices]
    columns = tuple(dict.fromkeys(name for name in named if name not in (LABEL, *SLICE_FEATURES)))
    table = table.model_copy(update={"columns": columns})
    return config.model_copy(update={"data": config.data.model_copy(update={"table": table})})


def _with_splits(config: Config, source: Source) -> Config:
    """The configuration with the source's slices.

    Raises:
      UserError: evaluation.split is none of them.
    """
    split = config.evaluation.split
    if split not in source.slices:
        raise UserError(
            f"evaluation.split is {split}, but {source.full_name} has no {split} split besides "
            "train and eval. Set data.splits.test."
        )
    splits = SplitsConfig(**source.slices)
    data = config.data.model_copy(update={"splits": splits})
    return config.model_copy(update={"data": data})


def _check_classes(source: Source) -> None:
    classes = len(source.class_names)
    if classes < 2:
        raise UserError(
            f"{source.full_name} has {classes} class; a classifier needs two. Check the data."
        )


def settle_sizes(config: Config, source: Source) -> ImageSizes:
    """The sides of images: configured, as on keras.io, or the paper's for images of this size.

    Raises:
      UserError: the size of the images is needed, and none can be read.
    """
    paper = config.training.schedule == "hyperrule"
    auto = KERAS_IO_SIZES
    if paper and config.preprocessing.resize == "auto":
        auto = resolution(*source.image_size)
    return config.preprocessing.sizes(auto, paper)


def _check_gates(evaluation: EvaluationConfig, source: Source) -> None:
    """Checks that the classes and features of the gates exist."""
    for name, key in evaluation.classes_named().items():
        _check_name(f"{key}: {source.full_name} has no class", name, source.class_names)
    features = [*SLICE_FEATURES, *(f for f in source.features if f not in (IMAGE, LABEL))]
    for position, gate in enumerate(evaluation.slices):
        key = f"evaluation.slices.{position}.feature"
        _check_name(f"{key}: there is no feature", gate.feature, features)


def _check_weights(config: Config, source: Source) -> None:
    """Checks that the classes of the loss exist."""
    weights = config.training.class_weights
    for name in weights if isinstance(weights, dict) else ():
        mistake = f"training.class_weights: {source.full_name} has no class"
        _check_name(mistake, name, source.class_names)


def _check_name(mistake: str, name: str, known: Sequence[str]) -> None:
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(known)}."
    raise UserError(f"{mistake} {name!r}{hint if len(hint) < 500 else '.'}")
