"""What a run would do, as `bit-tfx check` prints it: data, plan, memory, what is done.

The command is little more than:

    from pipeline.config import load_config
    from pipeline.run.outlook import outlook

    for label, text in outlook(load_config("digits"), Path("runs/digits")):
        print(label, text)
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from components.finite import read_json
from components.report.runs import changes
from components.storage import as_path, files_below, is_local
from components.trainer.plan import make_plan
from pipeline.config import Config, dump_config
from pipeline.inputs.resolve import Inputs, resolve
from pipeline.properties import digests, will_run
from pipeline.run.layout import Layout
from pipeline.run.metadata_file import check_metadata
from pipeline.run.preflight import check_output, check_signing_key
from pipeline.run.unchanged import is_unchanged
from pipeline.steps import steps_of

_CLASSES_SHOWN = 20
_CHANGES_SHOWN = 6
_FLOAT_BYTES = 4
_TRAINED_COPIES = 3
"""Copies of what is trained: the weights, their gradients and SGD's momentum."""


def outlook(config: Config, output: Path) -> Iterator[tuple[str, str]]:
    """Lines with their labels.

    Args:
      config: of the run.
      output: folder of the pipeline; where no run has finished in it, nothing is written there.

    Raises:
      UserError: an input is missing, inputs do not fit together, or the output's metadata cannot
        be used.
    """
    check_signing_key(config)
    layout = Layout(output)
    if output.exists():
        for warning in check_output(layout, config):
            yield "Warning", warning
        check_metadata(Path(layout.metadata), Path(layout.artifacts))
    with tempfile.TemporaryDirectory() as scratch:
        inputs = resolve(config, layout if layout.last_run.exists() else Layout(scratch))
    yield "Data", _data(inputs)
    names = inputs.source.class_names
    more = f", and {len(names) - _CLASSES_SHOWN:,} more" if len(names) > _CLASSES_SHOWN else ""
    yield "Classes", ", ".join(names[:_CLASSES_SHOWN]) + more
    for note in inputs.source.notes:
        yield "Note", note
    weights_bytes = _bytes_below(f"{inputs.backbone.path}/variables")
    backbone = inputs.config.backbone
    trained = "the whole network" if backbone.mode == "full" else "the head"
    yield "Backbone", f"{inputs.backbone.handle}, {_megabytes(weights_bytes)}; trains {trained}"
    yield "Images", _images(inputs)
    yield "Training", _training(inputs)
    yield "Gates", _gates(inputs.config)
    yield "Memory", _memory(inputs, weights_bytes)
    yield "Steps", ", ".join(steps_of(inputs.config))
    first, *more_lines = _done(inputs, layout)
    yield "Output", f"{output}: {first}"
    for line in more_lines:
        yield "Cache", line


def _data(inputs: Inputs) -> str:
    source = inputs.source
    counts = [f"{source.num_examples(split):,} {split}" for split in source.split_fingerprints]
    listed = f"{', '.join(counts[:-1])} and {counts[-1]}"
    return f"{source.full_name}: {listed} images in {len(source.class_names)} classes"


def _images(inputs: Inputs) -> str:
    sizes = inputs.sizes
    crop = "whole" if sizes.crop is None else f"cropped to {sizes.crop}"
    flip = ", mirrored at random" if sizes.flip else ""
    return f"{sizes.resize} px {crop}{flip} in training; {sizes.evaluate} px in evaluation"


def _training(inputs: Inputs) -> str:
    training = inputs.config.training
    plan = make_plan(training, inputs.source.num_examples("train"))
    rates = f"rate {plan.schedule.learning_rate:g}"
    if plan.schedule.warmup:
        rates += f" after {plan.schedule.warmup:,} steps of warm-up"
    if plan.schedule.decay == "cosine":
        rates += f", along a cosine to 0 at step {plan.schedule.steps:,}"
    if plan.schedule.boundaries:
        rates += f", a tenth after {', '.join(f'{step:,}' for step in plan.schedule.boundaries)}"
    stops = "" if plan.patience is None else f"; stops after {plan.patience} epochs without gain"
    searched = f"; {inputs.config.search.trials} trials before it" if inputs.config.search else ""
    return (
        f"{plan.steps:,} steps of {training.batch_size} images in {plan.epochs:,} epochs at most; "
        f"{rates}{stops}{searched}"
    )


def _gates(config: Config) -> str:
    gates = config.evaluation.model_dump(mode="json", exclude_none=True)
    names = (
        *("min_accuracy", "max_regression", "min_class_accuracy", "max_class_regression"),
        *("min_balanced_accuracy", "min_macro_f1"),
    )
    found = ["above_chance"] if config.evaluation.above_chance else []
    found += [f"{name} {gates[name]}" for name in names if name in gates]
    found += [f"{len(gates['slices'])} slices"] if gates["slices"] else []
    return f"{', '.join(found)}, on the {config.evaluation.split} split"


def _memory(inputs: Inputs, weights_bytes: int) -> str:
    """What can be computed beforehand; a network's activations are not among it."""
    training, sizes = inputs.config.training, inputs.sizes
    images = sum(inputs.source.num_examples(split) for split in ("train", "eval"))
    decoded_bytes = images * sizes.resize**2 * 3 * _FLOAT_BYTES
    limit_bytes = training.cache_limit_mb * 1_000_000
    stay = decoded_bytes <= limit_bytes and training.cache != "off"
    where = "on disk" if training.cache == "disk" else "in memory"
    stays = (
        f"which stay {where}" if stay else "more than training.cache_limit_mb, decoded each pass"
    )
    copies = _TRAINED_COPIES if inputs.config.backbone.mode == "full" else 1
    at_once = training.batch_size // training.batch_split
    return (
        f"{_megabytes(weights_bytes * copies)} of weights in training; {_megabytes(decoded_bytes)} "
        f"of decoded images, {stays}; and the activations of {at_once} images"
    )


def _done(inputs: Inputs, layout: Layout) -> Iterator[str]:
    """What a run would reuse of the last finished run."""
    try:
        last = read_json(layout.last_run)
        before, run_id, steps = last["summary"]["config"], last["summary"]["run_id"], last["steps"]
    except (OSError, ValueError, KeyError, TypeError):
        yield "no run has finished there: every step runs"
        return
    if is_unchanged(inputs, layout):
        yield f"nothing has changed since run {run_id}: no step runs"
        return
    found = list(changes(before, dump_config(inputs.config)))
    shown = ", ".join(found[:_CHANGES_SHOWN])
    more = len(found) - _CHANGES_SHOWN
    shown += f", and {more} more keys" if more > 0 else ""
    what = shown or "data, backbone, schema, code or what is left of that run"
    yield f"changed since run {run_id}: {what}"
    running = will_run(inputs.config, steps, digests(inputs))
    cached = [step for step in steps if step not in running]
    yield (
        f"unchanged, and cached if their files are whole: {', '.join(cached) or 'none'}; the "
        "others run, unless an earlier run did the same"
    )


def _bytes_below(folder: str) -> int:
    """Bytes of all files; an object store has another name for a file's size."""
    root = as_path(folder)
    found = [(root / name).stat() for name in files_below(root)] if root.exists() else []
    return sum(each.st_size if is_local(root) else each.length for each in found)  # type: ignore


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count < 1e8 else f"{count / 1e6:,.0f} MB"
