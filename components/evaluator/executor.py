"""Evaluates a model with TFMA in bounded batches, stores its predictions, and applies the gates.

TFX calls it with the artifacts of the step `Evaluator`:

    from components.evaluator.executor import Executor

    inputs = {"examples": [examples], "transform_graph": [graph], "model": [model]}
    outputs = {"evaluation": [evaluation], "blessing": [blessing]}
    Executor().Do(inputs, outputs, {"settings": settings.model_dump_json()})
"""

from __future__ import annotations

import logging
import os
from typing import Any

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.utils import config_util
from tfx.components.evaluator import constants
from tfx.components.util import tfxio_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.digests import digest_of_classes
from components.evaluator.config import EvaluatorSettings
from components.evaluator.eval_config import make_eval_config
from components.evaluator.gates import OVERALL, judge
from components.evaluator.measure import measure
from components.evaluator.prediction_table import read_predictions
from components.evaluator.predictions import predictions_writer
from components.evaluator.results import (
    BASELINE,
    CANDIDATE,
    accuracies,
    write_findings,
    write_gates,
)
from components.evaluator.slice_features import slice_features
from components.executor import Artifacts, SettingsExecutor
from components.lineage.baseline import (
    ACCURACY_PROPERTY,
    CLASSES_PROPERTY,
    DATA_PROPERTY,
)
from components.transform.features import SLICE_FEATURES

_logger = logging.getLogger(__name__)


class Executor(SettingsExecutor[EvaluatorSettings], base_beam_executor.BaseBeamExecutor):
    """TFX's Evaluator cannot bound its batches (tensorflow/tfx#1350), and knows fewer gates."""

    SETTINGS = EvaluatorSettings

    def run(self, inputs: Artifacts, outputs: Artifacts, settings: EvaluatorSettings) -> None:
        """Fills `evaluation` (TFMA's EvalResult, predictions, metrics, gates) and `blessing`."""
        evaluation, blessing = outputs["evaluation"].uri, outputs["blessing"]
        models = {CANDIDATE: inputs["model"]}
        if baseline := inputs.get("baseline_model"):
            models[BASELINE] = baseline
        self._evaluate(settings, inputs, models, evaluation)

        findings = measure(evaluation, read_predictions(evaluation))
        write_findings(findings, evaluation)
        judged = accuracies(findings.candidate)
        gates = judge(
            settings.evaluation,
            judged,
            accuracies(findings.baseline) if BASELINE in models else None,
            settings.class_names,
            findings.unanswered,
        )
        write_gates(gates, evaluation)
        accuracy = judged.get(OVERALL)
        blessing.set_float_custom_property(
            ACCURACY_PROPERTY, accuracy.value if accuracy and accuracy.value is not None else -1.0
        )
        blessing.set_string_custom_property(DATA_PROPERTY, settings.evaluation_data)
        blessing.set_string_custom_property(
            CLASSES_PROPERTY, digest_of_classes(settings.class_names)
        )
        _bless(blessing, models, all(gate.passed for gate in gates))

    def _evaluate(
        self,
        settings: EvaluatorSettings,
        inputs: Artifacts,
        models: dict[str, Any],
        evaluation: str,
    ) -> None:
        """Runs TFMA over the split and writes its EvalResult and the predictions."""
        has_baseline = BASELINE in models
        config = config_util.update_eval_config_with_defaults(
            make_eval_config(settings.evaluation, len(settings.class_names)),
            has_baseline=has_baseline,
            rubber_stamp=True,
        )
        shared = [
            tfma.default_eval_shared_model(
                eval_saved_model_path=path_utils.serving_model_path(
                    models[BASELINE if spec.is_baseline else CANDIDATE].uri
                ),
                model_name=spec.name,
                eval_config=config,
            )
            for spec in config.model_specs
        ]
        model = shared if has_baseline else shared[0]
        extractors = tfma.default_extractors(eval_shared_model=model, eval_config=config)
        extractors.append(predictions_writer(evaluation, CANDIDATE if has_baseline else ""))
        features = tuple(
            gate.feature for gate in settings.evaluation.slices if gate.feature in SLICE_FEATURES
        )
        if features:
            extractors.insert(1, slice_features(inputs["transform_graph"].uri, features))
        with self._make_beam_pipeline() as pipeline:
            _ = (
                pipeline
                | "Read" >> _read([inputs["examples"]], settings)
                | "Evaluate"
                >> tfma.ExtractEvaluateAndWriteResults(
                    eval_shared_model=model,
                    eval_config=config,
                    extractors=extractors,
                    output_path=evaluation,
                )
            )


def _read(examples: list[Any], settings: EvaluatorSettings) -> Any:
    """Arrow batches of `evaluation.batch_size` records of the split."""
    (uri,) = artifact_utils.get_split_uris(examples, settings.evaluation.split)
    factory = tfxio_utils.get_tfxio_factory_from_artifact(
        examples=examples,
        telemetry_descriptors=["Evaluator"],
        raw_record_column_name=tfma.ARROW_INPUT_COLUMN,
    )
    source = factory(io_utils.all_files_pattern(uri))
    return source.BeamSource(batch_size=settings.evaluation.batch_size)


def _bless(blessing: Any, models: dict[str, Any], passed: bool) -> None:
    """Writes the verdict as TFX's Evaluator does; Pusher and the baseline read it."""
    for name, model in models.items():
        current = name == CANDIDATE
        blessing.set_string_custom_property(
            constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY
            if current
            else constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY,
            model.uri,
        )
        blessing.set_int_custom_property(
            constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY
            if current
            else constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY,
            model.id,
        )
    file = constants.BLESSED_FILE_NAME if passed else constants.NOT_BLESSED_FILE_NAME
    fileio.makedirs(blessing.uri)
    io_utils.write_string_file(os.path.join(blessing.uri, file), "")
    blessing.set_int_custom_property(
        constants.ARTIFACT_PROPERTY_BLESSED_KEY,
        constants.BLESSED_VALUE if passed else constants.NOT_BLESSED_VALUE,
    )
    _logger.info("the model is %s", "blessed" if passed else "not blessed")
