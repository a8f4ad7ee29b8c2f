"""Which model is exported, and by which images and gates its conversion is judged.

By those of the run that pushed it, found by its card and ML Metadata; where these are not at hand,
by a folder of images and the gates on the card:

    from pipeline.run.export_evidence import evidence_of, find_version

    version = find_version("runs/digits/serving")
    evidence = evidence_of(version, examples=None, calibrated=True)
    evidence.evaluation.min_accuracy, len(list(evidence.judged()))
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import UserError
from components.evaluator.config import EvaluationConfig
from components.evaluator.gates import Slice
from components.export.formats import CALIBRATION_IMAGES
from components.finite import read_json
from components.pusher.versions import CARD_JSON, model_digest, version_at, versions
from components.storage import AnyPath, as_path
from pipeline.run.layout import Layout
from pipeline.run.metadata_file import check_metadata, connection_of
from pipeline.run.run_folder import RunFolder

if TYPE_CHECKING:
    from components.export.images import Labelled


@dataclass(frozen=True)
class Version:
    """One served model.

    Attributes:
      folder: of the SavedModel.
    """

    folder: AnyPath

    @property
    def layout(self) -> Layout | None:
        """Of the output folder that it is in, where that has a metadata database."""
        if not isinstance(self.folder, Path):
            return None
        place = self.folder.resolve()
        layout = Layout(place.parent.parent)
        of_output = layout.serving == place.parent and layout.metadata.exists()
        return layout if of_output else None

    def card(self) -> dict[str, Any]:
        """`model_card.json`.

        Raises:
          UserError: it has none.
        """
        path = self.folder / CARD_JSON
        if not path.exists():
            raise UserError(
                f"{self.folder} has no {CARD_JSON}: it was not pushed by a run, and nothing says "
                "how it was judged."
            )
        return dict(read_json(path))


@dataclass(frozen=True)
class Evidence:
    """By what a conversion is judged.

    Attributes:
      evaluation: the gates.
      judged: reads the images that decide.
      calibration: reads those for the ranges of 8-bit numbers.
      slices: of features that an image is in, by its key.
      source: where they are from, as the end of "images of".
    """

    evaluation: EvaluationConfig
    judged: Callable[[], Iterable[Labelled]]
    calibration: Callable[[], Iterable[Labelled]]
    slices: dict[str, list[Slice]]
    source: str


def find_version(model: str) -> Version:
    """The model at a path: a version, or the one that serves of a folder of versions.

    Raises:
      UserError: there is none.
    """
    folder = as_path(model)
    found = version_at(folder)
    if found is not None:
        return Version(found)
    beside = versions(folder.parent) if folder.name.isdecimal() else []
    if beside:
        known = ", ".join(map(str, beside))
        raise UserError(f"{folder.parent} holds no version {folder.name}; there are {known}.")
    within = Layout(model).serving
    hint = f" Did you mean {within}?" if versions(within) else ""
    raise UserError(f"{model} is neither a served model nor a folder of versions.{hint}")


def evidence_of(version: Version, examples: str | None, calibrated: bool) -> Evidence:
    """By what a conversion is judged.

    Args:
      version: the served model.
      examples: a folder of class folders; None for the examples of the run that pushed it.
      calibrated: whether images decide how it is converted.

    Raises:
      UserError: the images or the gates cannot be had.
    """
    if examples is not None:
        return _of_folder(version.card(), examples, calibrated)
    layout = version.layout
    if layout is None:
        raise UserError(
            f"{version.folder} is in no output folder with its metadata, so the images that it was "
            f"judged by are not known: add --examples DIR, a folder of images for each class."
        )
    return _of_run(version, layout)


def _of_folder(card: dict[str, Any], examples: str, calibrated: bool) -> Evidence:
    """By a folder of images and the gates on the model's card.

    Where some are for calibration, a fifth is set aside and does not judge.
    """
    from components.export.images import of_folder
    from components.export.judgement import evaluation_of_card

    folder = as_path(examples)
    if not isinstance(folder, Path) or not folder.is_dir():
        raise UserError(f"--examples {examples}: there is no such folder on this machine.")
    class_names = tuple(card["data"]["class_names"])
    images = list(of_folder(folder, class_names))
    aside = min(CALIBRATION_IMAGES, len(images) // 5) if calibrated else 0
    if calibrated and not aside:
        raise UserError(
            f"--examples {examples} holds {len(images)} images: 8-bit numbers need 5 at least, of "
            "which one is set aside for their ranges."
        )
    return Evidence(
        evaluation=evaluation_of_card(card, class_names),
        judged=lambda: images[aside:],
        calibration=lambda: images[:aside],
        slices={},
        source=examples,
    )


def _of_run(version: Version, layout: Layout) -> Evidence:
    """By the examples and the gates of the run that pushed the model."""
    from components.evaluator.prediction_table import read_predictions
    from components.export.images import of_split
    from components.lineage.artifacts import digest_of_model
    from components.lineage.outputs import read_outputs

    run_id = version.card()["model"]["run_id"]
    check_metadata(Path(layout.metadata), Path(layout.artifacts))
    outputs = read_outputs(connection_of(str(layout.metadata)), run_id)
    config = RunFolder(layout, run_id).config()
    needed = ("Trainer.model", "ImageExampleGen.examples", "Evaluator.evaluation")
    missing = [name for name in needed if name not in outputs]
    if missing or not config:
        what = missing[0] if missing else layout.logs(run_id)
        raise UserError(
            f"the run {run_id}, which pushed {version.folder}, has left no {what} in "
            f"{layout.output}: add --examples DIR, a folder of images for each class."
        )
    recorded = digest_of_model(outputs["Trainer.model"])
    if recorded and recorded != model_digest(version.folder):
        raise UserError(
            f"{version.folder} is not the model that the run {run_id} trained: its files were "
            "changed."
        )
    examples, judged = (layout.moved(outputs[name].uri) for name in needed[1:])
    if not examples.exists():
        raise UserError(
            f"{examples}, the images of the run {run_id}, is gone: add --examples DIR, a folder of "
            "images for each class."
        )
    evaluation = EvaluationConfig.model_validate_json(json.dumps(config["evaluation"]))
    rows = read_predictions(str(judged)).select(["example", "slices"]).to_pylist()
    return Evidence(
        evaluation=evaluation,
        judged=lambda: of_split(str(examples), evaluation.split),
        calibration=lambda: of_split(str(examples), "train"),
        slices={
            row["example"]: [(each["feature"], each["value"]) for each in row["slices"]]
            for row in rows
        },
        source=f"the {evaluation.split} split of run {run_id}",
    )
