"""What `bit-tfx export` does: converts a served model, judges what came out, and writes it.

The verb prints what these functions return:

    from pipeline.run.export import Wish, export
    from pipeline.run.export_evidence import find_version

    version = find_version("runs/digits/serving")
    exported = export(version, Wish("tflite-int8", to=None, examples=None))
    exported.rejected, exported.lines
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.commands import make_command
from components.errors import UserError
from components.evaluator.gates import OVERALL, number
from components.evaluator.results import ACCURACY, LOSS, summarise
from components.export.formats import (
    CALIBRATION_IMAGES,
    FORMATS,
    INPUT,
    ONNX,
    OPSET,
    OUTPUT,
    Format,
)
from components.export.record import check_target, write_export
from components.pusher.versions import model_digest
from components.storage import AnyPath, as_path, files_below
from pipeline.run.export_evidence import Evidence, Version, evidence_of

if TYPE_CHECKING:
    from components.export.convert import Converted
    from components.export.judgement import Answers, Judgement
    from components.export.runtimes import Runtime
    from components.export.served import ServedModel


@dataclass(frozen=True)
class Wish:
    """What is wanted.

    Attributes:
      format: a name of `FORMATS`.
      to: the folder to write; None for `<output>/exports/<version>/<format>`.
      examples: folder of class folders to judge by; None for the run's own examples.
    """

    format: str
    to: str | None
    examples: str | None


@dataclass(frozen=True)
class Exported:
    """What came out.

    Attributes:
      lines: to print.
      rejected: sentences of the gates that failed; nothing was written where there is one.
    """

    lines: list[str]
    rejected: list[str]


def export(version: Version, wish: Wish) -> Exported:
    """Converts, judges and writes.

    Raises:
      UserError: what it needs is not there, or the place is taken.
      OSError: it cannot be written.
    """
    format_ = FORMATS[wish.format]
    if format_.name == ONNX and not (find_spec("tf2onnx") and find_spec("onnxruntime")):
        raise UserError(
            "--format onnx needs tf2onnx and ONNX Runtime: type "
            f"`{make_command('setup')} EXTRAS=onnx` first."
        )
    target = _target(version, wish)
    check_target(target)
    card = version.card()
    evidence = evidence_of(version, wish.examples, format_.needs_calibration)
    # Not at the top: they load TensorFlow.
    from components.export.convert import convert
    from components.export.images import sample
    from components.export.judgement import judge_answers
    from components.export.probe import probe
    from components.export.runtimes import load
    from components.export.served import ServedModel, ask, calibration_of
    from components.model_check.answers import RefusedError

    served = ServedModel(str(version.folder), tuple(card["preprocessing"]["background"]))
    names = served.class_names
    try:
        calibration = []
        if format_.needs_calibration:
            calibration = calibration_of(served, sample(evidence.calibration(), CALIBRATION_IMAGES))
        converted = convert(served.predict_pixels, format_, calibration)
        probe(converted.content, format_, served.side, len(names))
        runtime = load(converted.content, format_, served.side, len(names))
        answers = ask(served, runtime, evidence.judged())
    except RefusedError as refused:
        return Exported([_nothing(target)], [str(refused)])
    judgement = judge_answers(format_, evidence.evaluation, answers, evidence.slices, names)
    facts = {
        **_of_model(version, card, format_, served),
        **_of_conversion(converted, runtime, len(calibration)),
        **_of_judgement(evidence, answers, judgement, names),
        **_of_cost(version, converted, runtime, served),
    }
    lines = _said(version, format_, facts, judgement)
    if judgement.rejected:
        return Exported([*lines, _nothing(target)], judgement.rejected)
    write_export(target, format_, converted.content, names, facts)
    return Exported([*lines, str(target / format_.file)], [])


def _target(version: Version, wish: Wish) -> Path:
    if wish.to is not None:
        target = as_path(wish.to)
        if isinstance(target, Path):
            return target
        raise UserError(f"--to {wish.to}: give a folder on this machine.")
    layout = version.layout
    if layout is None:
        raise UserError(
            f"{version.folder} is in no output folder of a run: add --to FOLDER, where the "
            "converted model goes."
        )
    return Path(layout.exports) / version.folder.name / wish.format


def _of_model(
    version: Version, card: dict[str, Any], format_: Format, served: ServedModel
) -> dict[str, Any]:
    """What it was made from, and how it is called."""
    pixels = [format_.batch, served.side, served.side, 3]
    probabilities = [format_.batch, len(served.class_names)]
    return {
        "format": format_.name,
        "file": format_.file,
        "holds": format_.holds,
        "opset": OPSET if format_.name == ONNX else None,
        "source": {
            "path": str(version.folder),
            "version": card["model"]["version"],
            "run_id": card["model"]["run_id"],
            "digest": model_digest(version.folder),
        },
        "input": {"name": INPUT, "dtype": "float32", "shape": pixels, "range": [0, 1]},
        "output": {"name": OUTPUT, "dtype": "float32", "shape": probabilities},
        **answers_of(card),
    }


def answers_of(card: dict[str, Any]) -> dict[str, Any]:
    """What of the served model's answers is in the probabilities, and what is left to the caller.

    Args:
      card: `model_card.json`; an earlier version's has neither key.
    """
    calibration, abstention = card.get("calibration"), card.get("abstention")
    return {
        # Applied: the probabilities are calibrated.
        "temperature": calibration["temperature"] if calibration else None,
        # Not applied: a converted model has no class names and names no class.
        "min_confidence": abstention["min_confidence"] if abstention else None,
    }


def _of_conversion(converted: Converted, runtime: Runtime, calibration: int) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "exported": now.isoformat(timespec="seconds"),
        "converter": {"name": converted.converter, "version": converted.version},
        "runtime": {"name": runtime.name, "version": runtime.version},
        "calibration_images": calibration,
    }


def _of_judgement(
    evidence: Evidence, answers: Answers, judgement: Judgement, names: Sequence[str]
) -> dict[str, Any]:
    return {
        "judged_by": evidence.source,
        "left_out": answers.left_out,
        "metrics": summarise(judgement.converted, names),
        "served_metrics": summarise(judgement.served, names),
        "agreement": asdict(judgement.agreement),
        "gates": [asdict(gate) for gate in judgement.gates],
    }


def _of_cost(
    version: Version, converted: Converted, runtime: Runtime, served: ServedModel
) -> dict[str, Any]:
    """Size in bytes, and time for one image in milliseconds, of both."""
    from components.export.served import latency_ms

    return {
        "bytes": {"converted": len(converted.content), "served": _bytes(version.folder)},
        "latency": {
            "converted": latency_ms(runtime.answer, served.side),
            "served": latency_ms(served.answer, served.side),
        },
    }


def _said(
    version: Version, format_: Format, facts: dict[str, Any], judgement: Judgement
) -> list[str]:
    figures = [_figure(name, judgement) for name in (ACCURACY, LOSS)]
    agreement, left_out = judgement.agreement, facts["left_out"]
    greatest = agreement.greatest_difference
    size, latency, runtime = facts["bytes"], facts["latency"], facts["runtime"]
    lines = [
        f"{format_.name} of {version.folder}: {format_.holds}",
        f"  {', '.join(figures)}; {agreement.images:,} images of {facts['judged_by']}",
        f"  the same class for {number(agreement.same_class)} of them; a probability differs by "
        + ("no number" if greatest is None else f"{greatest:.2g} at most"),
        f"  {size['converted'] / 1e6:.2f} MB (served: {size['served'] / 1e6:.2f} MB); one image in "
        f"{latency['converted']['p50_ms']:.2f} ms in {runtime['name']} {runtime['version']} "
        f"(served: {latency['served']['p50_ms']:.2f} ms)",
        *(f"  {'✓' if gate.passed else '✗'} {gate.sentence}" for gate in judgement.gates),
    ]
    if left_out:
        key, why = next(iter(left_out.items()))
        lines.append(f"  {len(left_out):,} images were left out, among them {key}: {why}")
    return lines


def _figure(name: str, judgement: Judgement) -> str:
    values = [metrics[OVERALL][name].value for metrics in (judgement.converted, judgement.served)]
    converted, served = ("none" if value is None else number(value) for value in values)
    return f"{name} {converted} (served: {served})"


def _nothing(target: Path) -> str:
    return f"Nothing was written to {target}."


def _bytes(folder: AnyPath) -> int:
    """Of the files that a server loads."""
    names = (name for name in files_below(folder) if not name.startswith("assets.extra/"))
    return sum(len((folder / name).read_bytes()) for name in names)
