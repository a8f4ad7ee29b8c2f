"""TFX's Pusher, made atomic and free of duplicates."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from tfx.components.pusher import executor as tfx_pusher
from tfx.types import artifact_utils

from components.digests import digest_of_folder
from components.pusher.versions import add_version, served, served_digest
from components.storage import as_path, copy_tree, write_whole

_logger = logging.getLogger(__name__)


class Executor(tfx_pusher.Executor):
    """Pushes a blessed model unless it is the one that is served."""

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
        # Beside the artifact, which a retry of this execution empties.
        note = as_path(f"{pushed_model.uri}.version")
        current = served(serving)
        if served_digest(serving) == digest_of_folder(model):
            if not note.exists() or note.read_text(encoding="utf-8") != str(current):
                _logger.info("%s is this model already", current)
                self._MarkNotPushed(pushed_model)
                return
            _logger.info("an earlier attempt pushed to %s", current)
            copy_tree(model, as_path(pushed_model.uri))
            target = current or serving
        else:
            # Serving comes last: what fails before it leaves it as it was.
            copy_tree(model, as_path(pushed_model.uri))
            target = add_version(
                model, serving, int(time.time()), lambda chosen: write_whole(note, str(chosen))
            )
            _logger.info("pushed to %s", target)
        self._MarkPushed(pushed_model, str(target), target.name)
