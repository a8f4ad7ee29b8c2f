"""Searches, and writes its choice for the Trainer.

>>> trials = [Trial(1, {"mode": "full"}, val_accuracy=0.9, val_loss=0.3, seconds=12.5)]
>>> print(table_of(trials), end="")
number,state,val_accuracy,val_loss,seconds,reason,mode
1,complete,0.9,0.3,12.5,,full
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict

from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.example_gen.counts import counts_of
from components.executor import Artifacts, SettingsExecutor
from components.finite import write_json
from components.progress import report
from components.storage import as_path, write_whole
from components.trainer.input_pipeline import files_of
from components.tuner.config import describe
from components.tuner.settings import TunerSettings
from components.tuner.study import COMPLETE, FAILED, Trial, best_of, search
from components.tuner.trial import Trials

BEST = "best_hyperparameters.txt"
"""TFX's name; its Trainer wants no other file beside it."""
TABLE, ROWS = "trials.csv", "trials.json"


class Executor(SettingsExecutor[TunerSettings]):
    """Runs the search on the train split alone."""

    SETTINGS = TunerSettings

    def run(self, inputs: Artifacts, outputs: Artifacts, settings: TunerSettings) -> None:
        """Fills `best_hyperparameters`, JSON for the Trainer, and `tuner_results`, every trial.

        Raises:
          UserError: no trial came to its end, nothing can be held out, or the training cannot be
            as configured.
        """
        counts = counts_of(inputs["examples"])
        settings = settings.model_copy(update={"trainer": settings.trainer.with_counts(counts)})
        folders = artifact_utils.get_split_uris([inputs["examples"]], "train")
        files = files_of(map(io_utils.all_files_pattern, folders))
        graph, base = inputs["transform_graph"].uri, inputs.get("base_model")
        base_model = path_utils.serving_model_path(base.uri) if base else None
        with Trials(settings, files, graph, base_model) as trials:
            shown = Shown(settings.search.most_trials)
            found = search(settings.search, trials.run, shown.show)
        results = as_path(outputs["tuner_results"].uri)
        write_json(results / ROWS, [asdict(trial) for trial in found])
        write_whole(results / TABLE, table_of(found))
        best = best_of(found)
        chosen = as_path(outputs["best_hyperparameters"].uri)
        write_json(chosen / BEST, best.values)


class Shown:
    """Reports how every trial ended, whether it is the best so far, and how many have failed."""

    def __init__(self, most: int):
        self._most = most
        self._done: list[Trial] = []

    def show(self, trial: Trial) -> None:
        """Takes a trial that is over."""
        self._done.append(trial)
        text = trial.state
        if trial.state == COMPLETE:
            best = best_of(self._done).number == trial.number
            text = (
                f"held-out accuracy {trial.val_accuracy:.4f}{', the best so far' if best else ''}"
            )
        if trial.reason:
            text += f": {trial.reason}"
        failed = sum(each.state == FAILED for each in self._done)
        if trial.state == FAILED:
            text += f" ({failed} of {len(self._done)} trials failed so far)"
        text = f"trial {trial.number}/{self._most}, {describe(trial.values)}: {text}"
        report(text, event="trial", text=text)


def table_of(trials: Sequence[Trial]) -> str:
    """The trials as CSV; a value that is a section, or none, is JSON in it."""
    rows = []
    for trial in trials:
        row = asdict(trial)
        for key, value in row.pop("values").items():
            row[key] = json.dumps(value) if value is None or isinstance(value, dict) else value
        rows.append(row)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
