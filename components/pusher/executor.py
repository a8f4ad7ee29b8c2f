"""TFX's Pusher, made atomic and free of duplicates, and with a card in what it pushes.

TFX calls it with the artifacts of the step `Pusher`:

    from components.pusher.executor import Executor

    destination = {"filesystem": {"base_directory": "/out/serving"}}
    properties = {"push_destination": json.dumps(destination), "card": settings.model_dump_json()}
    Executor().Do(inputs, {"pushed_model": [pushed]}, properties)
"""

from __future__ import annotations

import datetime
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tfx.components.pusher import executor as tfx_pusher
from tfx.types import artifact_utils

from components.evaluator import results
from components.evaluator.abstention import abstention
from components.evaluator.prediction_table import read_predictions
from components.example_gen.counts import counts_of
from components.lineage.served import MODEL_PROPERTY, NOT_PUSHED, VERSION_PROPERTY
from components.model_check import findings as model_check
from components.pusher import signature
from components.pusher.card import Evidence, make_card
from components.pusher.card_text import render_json, render_markdown
from components.pusher.rollback import changing, keep_last, why_not
from components.pusher.settings import CardSettings
from components.pusher.versions import (
    CARD_JSON,
    CARD_MARKDOWN,
    SIGNATURE,
    WARM_UP,
    Extras,
    add_extras,
    add_version,
    model_digest,
    served,
)
from components.storage import AnyPath, as_path, copy_tree, io_errors, write_whole
from components.trainer.model_run import read_history, read_hyperparameters

_logger = logging.getLogger(__name__)


class Executor(tfx_pusher.Executor):
    """Pushes a blessed model with its card, unless it is the one that is served."""

    def Do(  # noqa: N802  # TFX's name.
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Fills the `pushed_model` artifact; its property `pushed` says whether it was."""
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed_model = artifact_utils.get_single_instance(output_dict["pushed_model"])
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed_model)
            return
        model = as_path(self.GetModelPath(input_dict))
        serving = as_path(
            json.loads(exec_properties["push_destination"])["filesystem"]["base_directory"]
        )
        copy = as_path(pushed_model.uri)
        # Beside the artifact, which a retry of this execution empties. No name begins with another:
        # TensorFlow's ram:// counts such a file as one of the folder.
        note = copy.parent / f"version-{copy.name}"
        settings = CardSettings.model_validate_json(exec_properties["card"])
        current, digest = served(serving), model_digest(model)
        if current and model_digest(current) == digest:
            if not note.exists() or note.read_text(encoding="utf-8") != str(current):
                _logger.info("%s is this model already", current)
                _warn_unsigned(current, settings)
                self._MarkNotPushed(pushed_model)
                # The push that made it may have been killed before ML Metadata recorded it.
                _note_served(pushed_model, input_dict, current)
                return
            _logger.info("an earlier attempt pushed to %s", current)
            copy_tree(current, copy)
            target = current
        elif self._is_held_back(pushed_model, serving, digest):
            return
        else:
            now = int(time.time())
            extras = _extras(input_dict, settings, now)
            # Serving comes last: what fails before it leaves it as it was.
            copy_tree(model, copy)

            def chosen(version: AnyPath) -> None:
                add_extras(copy, extras(version))
                write_whole(note, str(version))

            with changing(serving):
                # Again: somebody may have pinned a version meanwhile.
                if self._is_held_back(pushed_model, serving, digest):
                    return
                target = add_version(model, serving, now, chosen, extras, _signer(settings))
                if settings.signing_key:
                    (copy / SIGNATURE).write_bytes((target / SIGNATURE).read_bytes())
            _logger.info("pushed to %s", target)
        self._MarkPushed(pushed_model, str(target), target.name)
        _note_served(pushed_model, input_dict, target)
        _remove_oldest(serving, settings)

    def _is_held_back(self, pushed_model: Any, serving: AnyPath, digest: str) -> bool:
        """Whether a pin or a rollback keeps the model out; marks the artifact if so."""
        reason = why_not(serving, digest)
        if reason:
            _logger.warning("not pushed: %s", reason)
            self._MarkNotPushed(pushed_model)
            pushed_model.set_string_custom_property(NOT_PUSHED, reason)
        return bool(reason)


def _signer(settings: CardSettings) -> Callable[[Path], None] | None:
    key = settings.signing_key
    if not key:
        return None
    # Before anything is written to `serving`: a key may be gone since the run started.
    signature.check_private_key(key)
    return lambda version: signature.sign(version, key)


def _warn_unsigned(version: AnyPath, settings: CardSettings) -> None:
    """A model is never pushed twice, and so gets no signature when a key is given later."""
    if settings.signing_key and not (version / SIGNATURE).exists():
        _logger.warning(
            "%s is this model already, and is not signed: type `model_signing sign key %s "
            "--private_key %s --signature %s`",
            version,
            version,
            settings.signing_key,
            version / SIGNATURE,
        )


def _remove_oldest(serving: AnyPath, settings: CardSettings) -> None:
    """Keeps `push.keep_last` versions; what cannot be removed fails no push."""
    if settings.keep_last is None:
        return
    try:
        gone = keep_last(serving, settings.keep_last)
    except io_errors() as error:
        _logger.warning("push.keep_last: old versions in %s stay: %s", serving, error)
    else:
        _logger.info("push.keep_last is %d: removed versions %s", settings.keep_last, gone)


def _note_served(pushed_model: Any, input_dict: dict[str, list[Any]], version: AnyPath) -> None:
    """Records which model serves now, for `components.lineage.served`."""
    model = artifact_utils.get_single_instance(input_dict["model"])
    pushed_model.set_int_custom_property(VERSION_PROPERTY, int(version.name))
    pushed_model.set_int_custom_property(MODEL_PROPERTY, model.id)


def _extras(
    input_dict: dict[str, list[Any]], settings: CardSettings, now: int
) -> Callable[[AnyPath], Extras]:
    """Makes the card and the warm-up requests of a version's folder, from what is read once.

    Args:
      input_dict: the step's inputs.
      settings: of the card.
      now: seconds since 1970.
    """
    model_run = artifact_utils.get_single_uri(input_dict["model_run"])
    evaluation = artifact_utils.get_single_uri(input_dict["evaluation"])
    findings = results.read_findings(evaluation)
    check = as_path(artifact_utils.get_single_uri(input_dict["infra_blessing"]))
    counts = counts_of(artifact_utils.get_single_instance(input_dict["examples"]))
    evidence = Evidence(
        counts={split: of_split.kept for split, of_split in counts.items()},
        history=read_history(model_run),
        trained=read_hyperparameters(model_run),
        metrics=findings.candidate,
        baseline=findings.baseline,
        gates=results.read_gates(evaluation),
        clipped=findings.clipped,
        abstention=None
        if settings.min_confidence is None
        else abstention(read_predictions(evaluation), settings.min_confidence),
    )
    warm_up = (check / model_check.WARM_UP).read_bytes()
    pushed = datetime.datetime.fromtimestamp(now, datetime.timezone.utc).isoformat()

    def of(version: AnyPath) -> Extras:
        card = make_card(settings, evidence, int(version.name), pushed)
        return {
            CARD_JSON: render_json(card).encode(),
            CARD_MARKDOWN: render_markdown(card).encode(),
            WARM_UP: warm_up,
        }

    return of
