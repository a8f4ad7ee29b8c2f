"""What each step is set by: the values in its properties, and with them in its cache key.

It needs no TFX: `pipeline.nodes` gives the values to TFX, and `bit-tfx check` compares them with
those of the last run.

>>> from pipeline.config import load_config
>>> sorted(will_run(load_config("digits"), {"Evaluator": "a"}, {"Evaluator": "b"}))
['Evaluator', 'ModelCheck', 'Pusher', 'Report']
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from components.data_gate.config import DataGateSettings
from components.evaluator.config import EvaluatorSettings
from components.model_check.config import ModelCheckSettings
from components.pictures.settings import PicturesSettings
from components.trainer.plan import mixup_rule
from components.trainer.settings import TrainerSettings
from components.transform.config import Bounds
from components.tuner.settings import TunerSettings
from pipeline.config import Config
from pipeline.inputs.resolve import Inputs
from pipeline.steps import graph_of, steps_of


def data_gate_settings(config: Config, inputs: Inputs, span: int) -> DataGateSettings:
    """The settings of DataGate."""
    return DataGateSettings(
        data_gate=config.data_gate,
        split=config.evaluation.split,
        class_names=inputs.source.class_names,
        span=span,
        slices=inputs.source.slices,
        background=config.preprocessing.background,
    )


def transform_settings(config: Config, inputs: Inputs) -> dict[str, Any]:
    """What Transform's preprocessing_fn gets as `custom_config`."""
    return {
        "evaluate": inputs.sizes.evaluate,
        "resize": inputs.sizes.resize,
        "background": config.preprocessing.background,
        "code": inputs.code["Transform"],
    }


def pictures_settings(config: Config, inputs: Inputs) -> PicturesSettings:
    """The settings of the Pictures step."""
    training = config.training
    return PicturesSettings(
        class_names=inputs.source.class_names,
        sizes=inputs.sizes,
        batch_size=training.batch_size,
        shuffle_buffer=training.shuffle_buffer,
        seed=training.seed,
        mixup=mixup_rule(training),
        augmentation=training.augmentation,
        background=config.preprocessing.background,
    )


def trainer_settings(config: Config, inputs: Inputs) -> TrainerSettings:
    """The settings of the Trainer, which the Tuner has too."""
    return TrainerSettings(
        backbone_path=inputs.backbone.path,
        backbone_sha256=inputs.backbone.sha256,
        trainable_parameters=config.backbone.trainable_parameters,
        mode=config.backbone.mode,
        class_names=inputs.source.class_names,
        sizes=inputs.sizes,
        training=config.training,
        num_train=inputs.source.num_examples("train"),
        num_eval=inputs.source.num_examples("eval"),
        bounds=Bounds(pixels=config.data.screen.max_pixels, size=config.data.screen.max_bytes),
        min_confidence=config.serving.min_confidence,
    )


def tuner_settings(config: Config, inputs: Inputs) -> TunerSettings:
    """The settings of the Tuner of a configuration that searches."""
    assert config.search is not None
    return TunerSettings(trainer=trainer_settings(config, inputs), search=config.search)


def evaluation_data(config: Config, inputs: Inputs) -> str:
    """Digest of the evaluation split: it stays the same when only another split changes."""
    return inputs.source.split_fingerprints[config.evaluation.split]


def evaluator_settings(config: Config, inputs: Inputs) -> EvaluatorSettings:
    """The settings of the Evaluator."""
    return EvaluatorSettings(
        evaluation=config.evaluation,
        class_names=inputs.source.class_names,
        evaluation_data=evaluation_data(config, inputs),
    )


def model_check_settings(config: Config, inputs: Inputs) -> ModelCheckSettings:
    """The settings of ModelCheck."""
    return ModelCheckSettings(
        serving=config.serving,
        split=config.evaluation.split,
        class_names=inputs.source.class_names,
        side=inputs.sizes.evaluate,
        pipeline=config.pipeline_name,
    )


_EVERY_RUN = {"Pusher", "Report"}
"""Their properties have the id of the run."""
_ORDER_ALONE = {("Transform", "DataGate")}
"""Steps that wait for another and read nothing of it."""


def digests(inputs: Inputs) -> dict[str, str]:
    """Digest of the properties of every step that can be cached.

    Args:
      inputs: of a run, with the resolved configuration.
    """
    config, source = inputs.config, inputs.source
    schema = inputs.schema.parent.name if inputs.schema else ""
    properties: dict[str, Any] = {
        "ImageExampleGen": [config.data.of_examples(), source.fingerprint],
        "StatisticsGen": schema,
        "SchemaGen": schema,
        "ExampleValidator": "",
        # The span is settled by the data, which ImageExampleGen has.
        "DataGate": data_gate_settings(config, inputs, span=0).model_dump_json(),
        "Transform": transform_settings(config, inputs),
        "Pictures": pictures_settings(config, inputs).model_dump_json(),
        "Trainer": trainer_settings(config, inputs).model_dump_json(),
        "Evaluator": evaluator_settings(config, inputs).model_dump_json(),
        "ModelCheck": model_check_settings(config, inputs).model_dump_json(),
    }
    if config.search:
        properties["Tuner"] = tuner_settings(config, inputs).model_dump_json()
    found = {
        # A step with no settings has its code alone.
        step: [properties.get(step, ""), inputs.code.get(step)]
        for step in steps_of(config)
        if step in properties or step in inputs.code.keys() - _EVERY_RUN
    }
    return {
        step: hashlib.sha256(json.dumps(each).encode()).hexdigest() for step, each in found.items()
    }


def will_run(config: Config, before: Mapping[str, str], now: Mapping[str, str]) -> set[str]:
    """The steps that the cache does not have: those that changed, and those that read of them.

    Args:
      config: of the run to come.
      before: `digests` of the last run, whose artifacts are there.
      now: `digests` of the run to come.
    """
    running: set[str] = set()
    for step, upstream in graph_of(config).items():
        reads = [other for other in upstream if (step, other) not in _ORDER_ALONE]
        changed = step in _EVERY_RUN or (step in now and before.get(step) != now[step])
        if changed or running.intersection(reads):
            running.add(step)
    return running
