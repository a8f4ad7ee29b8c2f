"""What `bit-tfx score` does: the scoring with Beam's flags, and one line of progress on a terminal.

The verb passes on what it was given:

    from pipeline.run.score import perform, settings_of

    limits = {"convert": ("webp",)}
    settings = settings_of(limits, model="serving", images="photos", output="p.parquet")
    perform(settings, workers=1)
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Mapping
from typing import Any, get_args

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from components.errors import UserError
from components.example_gen.config import Convertible, ScreenConfig
from components.process import importing
from components.scoring.settings import ScoreSettings
from components.terminal import hushed
from pipeline.config.beam import BeamConfig

FAILED = 1


def perform(settings: ScoreSettings, workers: int) -> int:
    """Scores, and prints what became of the images; returns the exit code.

    Args:
      settings: what is asked for.
      workers: processes of Beam, each with a model of its own.

    Raises:
      UserError: a mistake that the user can mend.
    """
    started = time.monotonic()
    console = Console()
    _load(console)
    from components.scoring.run import Watch, score, summary
    from pipeline.run.beam_flags import checked_flags
    from pipeline.run.error_line import one_line

    flags = checked_flags(_beam(workers))
    bar = _bar(console)
    task = bar.add_task("Scoring", total=None)
    watch = Watch(
        lambda text: console.print(text, highlight=False, markup=False, soft_wrap=True),
        lambda done, of: bar.update(task, completed=done, total=of),
    )
    try:
        # libjpeg and TensorFlow say something of every damaged image.
        with bar, hushed():
            counts = score(settings, flags, watch)
    except UserError:
        raise
    except (Exception, KeyboardInterrupt) as error:  # Whatever a worker raises.
        text = one_line(error)
        # Beam makes an error of its own of Ctrl-C.
        said = "interrupted" if KeyboardInterrupt.__name__ in text else f"error: {text}"
        print(f"{said}. The same command goes on with what is done.", file=sys.stderr)
        return FAILED
    for line in summary(settings, counts, time.monotonic() - started):
        watch.say(line)
    return 0


def _load(console: Console) -> None:
    """Imports Beam and TensorFlow, which takes seconds and says much that is not ours."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    with console.status("Starting"), hushed(), importing(), warnings.catch_warnings():
        # Google's packages, of the age of this Python.
        warnings.simplefilter("ignore")
        import apache_beam  # noqa: F401
        import tensorflow  # noqa: F401


def _beam(workers: int) -> BeamConfig:
    several = {"direct_num_workers": workers, "direct_running_mode": "multi_processing"}
    return BeamConfig(options=several if workers > 1 else {})


def _bar(console: Console) -> Progress:
    """A line that comes and goes on a terminal; nothing elsewhere."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def settings_of(limits: Mapping[str, Any], **given: Any) -> ScoreSettings:
    """The settings that a command line gives.

    Args:
      limits: values of `data.screen`; None takes the default.
      given: the other settings.

    Raises:
      UserError: --convert names no kind that can be converted.
    """
    known = get_args(Convertible)
    unknown = [kind for kind in limits["convert"] if kind not in known]
    if unknown:
        raise UserError(f"--convert {unknown[0]}: give one of {', '.join(known)}.")
    set_ones = {key: value for key, value in limits.items() if value is not None}
    return ScoreSettings(limits=ScreenConfig(**set_ones), **given)
