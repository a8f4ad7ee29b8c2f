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
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.utils import io_utils, path_utils

from components.digests import digest_of_classes
from components.drafts import Drafts, opened
from components.evaluator.config import EvaluatorSettings
from components.evaluator.eval_config import make_eval_config
from components.evaluator.gates import OVERALL, judge
from components.evaluator.measure import measure
from components.evaluator.prediction_table import part_file, read_predictions
from components.evaluator.predictions import predictions_writer
from components.evaluator.results import (
    BASELINE,
    CANDIDATE,
    accuracies,
    means_over_classes,
    write_findings,
    write_gates,
)
from components.evaluator.slice_features import slice_features
from components.evaluator.tfma_files import of_last_try
from components.examples import read_batches
from components.executor import Artifacts, SettingsExecutor
from components.lineage.baseline import (
    ACCURACY_PROPERTY,
    CLASSES_PROPERTY,
    DATA_PROPERTY,
)
from components.storage import as_path, changed_at, files_below
from components.transform.features import SLICE_FEATURES

_logger = logging.getLogger(__name__)

_TFMA = "tfma"
"""The folder of TFMA's files among the drafts."""


class Executor(SettingsExecutor[EvaluatorSettings], base_beam_executor.BaseBeamExecutor):
    """TFX's Evaluator cannot bound its batches (tensorflow/tfx#1350), and knows fewer gates."""

    SETTINGS = EvaluatorSettings

    def run(self, inputs: Artifacts, outputs: Artifacts, settings: EvaluatorSettings) -> None:
        """Fills `evaluation` (TFMA's EvalResult, predictions, metrics, gates) and `blessing`."""
        evaluation, blessing = outputs["evaluation"].uri, outputs["blessing"]
        models = {CANDIDATE: inputs["model"]}
        if baseline := inputs.get("baseline_model"):
            models[BASELINE] = baseline
        with opened(evaluation) as drafts:
            self._evaluate(settings, inputs, models, drafts)
            _name_results(drafts, evaluation)

        findings = measure(evaluation, read_predictions(evaluation))
        write_findings(findings, evaluation)
        judged = accuracies(findings.candidate)
        gates = judge(
            settings.evaluation,
            judged,
            accuracies(findings.baseline) if BASELINE in models else None,
            settings.class_names,
            findings.unanswered,
            means_over_classes(findings.candidate),
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
        drafts: Drafts,
    ) -> None:
        """Runs TFMA over the split, and leaves its EvalResult and the predictions as drafts."""
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
        extractors.append(predictions_writer(drafts, CANDIDATE if has_baseline else ""))
        features = tuple(
            gate.feature for gate in settings.evaluation.slices if gate.feature in SLICE_FEATURES
        )
        if features:
            extractors.insert(1, slice_features(inputs["transform_graph"].uri, features))
        with self._make_beam_pipeline() as pipeline:
            _ = (
                pipeline
                | "Read"
                >> read_batches(
                    inputs["examples"].uri,
                    settings.evaluation.split,
                    "Evaluator",
                    settings.evaluation.batch_size,
                    tfma.ARROW_INPUT_COLUMN,
                )
                | "Evaluate"
                >> tfma.ExtractEvaluateAndWriteResults(
                    eval_shared_model=model,
                    eval_config=config,
                    extractors=extractors,
                    output_path=drafts.path(_TFMA),
                )
            )


def _name_results(drafts: Drafts, evaluation: str) -> None:
    """Gives the predictions that were counted, and TFMA's files, their names."""
    parts = drafts.result()
    for index, draft in enumerate(parts):
        drafts.name(draft, part_file(evaluation, index, len(parts)))
    folder = as_path(drafts.path(_TFMA))
    for name in of_last_try({name: changed_at(folder / name) for name in files_below(folder)}):
        drafts.name(str(folder / name), as_path(evaluation) / name)


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
