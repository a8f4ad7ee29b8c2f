"""A scoring from its settings to its tables: begun, gone on with, or found done.

In Python:

    from components.scoring.run import Watch, score
    from components.scoring.settings import ScoreSettings

    settings = ScoreSettings(model="serving", images="photos", output="predictions.parquet")
    score(settings, ["--runner=FnApiRunner"], Watch(print))
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.errors import UserError
from components.example_gen.counts import by_reason
from components.scoring import parts
from components.scoring.assemble import Counts, assemble
from components.scoring.batches import count_batches, work_of
from components.scoring.images import Images, open_images
from components.scoring.model import ServedModel, find_model
from components.scoring.settings import ScoreSettings
from components.scoring.table import REASON, Columns
from components.storage import is_uri, try_writing

_COMMAND, _JOB = "bit_tfx.command", "bit_tfx.job"
"""Keys of a table's metadata: what was typed, and the digests of what it was about."""
_LOOK_S = 0.5
_SUFFIX = ".parquet"


@dataclass(frozen=True)
class Watch:
    """How a scoring reports its progress.

    Attributes:
      say: takes a sentence.
      progress: takes how many images are done, and of how many; now and then.
    """

    say: Callable[[str], object]
    progress: Callable[[int, int], object] = lambda done, of: None


def score(settings: ScoreSettings, flags: list[str], watch: Watch) -> Counts:
    """Scores the images, and writes the table of answers and that of rejects.

    Killed at any moment and started again with the same settings it goes on, and writes the same
    bytes.

    Args:
      settings: what is scored, by which model, into which file.
      flags: Beam's, the runner's name among them.
      watch: reports the progress.

    Raises:
      UserError: no such model, no image, or a file that is not to be replaced.
      RuntimeError: a worker failed, or an image was lost.
      OSError: the tables cannot be written.
    """
    _check_targets(settings)
    model = find_model(settings.model)
    images = open_images(settings)
    for note in images.notes:
        watch.say(note)
    job = _job(settings, model, images)
    found = _counted(settings, job)
    if found is not None and not settings.overwrite:
        parts.remove(settings.parts)
        watch.say(f"Unchanged: {settings.target} is of this model and of these images.")
        return found
    classes = len(model.class_names)
    columns = Columns(classes, settings.top_k, settings.probabilities, model.class_names)
    with parts.opened(settings.parts):
        done, changed = parts.settle(settings.parts, job)
        total = sum(count_batches(shard, settings.batch_size) for shard in images.shards)
        _tell_start(done, total, changed, watch)
        work = work_of(images.shards, settings.batch_size, done)
        if work:
            from components.scoring.pipeline import run

            with _progress(settings, images.count, watch):
                run(work, model.folder, settings, columns, parts.identity(job), flags)
        counts = _finish(settings, model, images, columns, job)
        parts.remove(settings.parts)
    return counts


def _check_targets(settings: ScoreSettings) -> None:
    """Checks that both files may be written, before anything is read.

    Raises:
      UserError: one may not.
    """
    target = settings.target
    if is_uri(settings.output) or "://" in settings.output:
        raise UserError(
            f"--output {settings.output}: give a file on this machine, and copy it from there."
        )
    if target.suffix != _SUFFIX or target.is_dir():
        raise UserError(f"--output {target}: give a file that ends in {_SUFFIX}.")
    try:
        try_writing(target.parent)
    except OSError as error:
        raise UserError(
            f"--output {target}: nothing can be written there: {error.strerror or error}. Give a "
            "file in a folder of yours."
        ) from error
    for path in (target, settings.rejects):
        written_by = _metadata(path).get(_COMMAND.encode(), b"").decode()
        if path.exists() and not settings.overwrite and written_by != settings.command():
            raise UserError(
                f"{path} is there already, and another command wrote it. Give another --output, "
                "or replace it: --overwrite."
            )


def _job(settings: ScoreSettings, model: ServedModel, images: Images) -> parts.Job:
    options = json.dumps(settings.options(), sort_keys=True)
    return {"model": model.digest, "images": images.fingerprint, "options": options}


def _counted(settings: ScoreSettings, job: parts.Job) -> Counts | None:
    """What is in the tables, if this job has written both."""
    for path in (settings.target, settings.rejects):
        if _metadata(path).get(_JOB.encode()) != json.dumps(job).encode():
            return None
    reasons = pq.read_table(settings.rejects, columns=[REASON])[REASON].value_counts()
    by = {each["values"].as_py(): each["counts"].as_py() for each in reasons}
    return Counts(pq.read_metadata(settings.target).num_rows, by)


def _metadata(path: Path) -> dict[bytes, bytes]:
    try:
        return dict(pq.read_schema(path).metadata or {})
    except (OSError, pa.ArrowException):
        return {}


def _tell_start(done: parts.Parts, total: int, changed: list[str], watch: Watch) -> None:
    if done:
        watch.say(f"Going on: {len(done):,} of {total:,} parts are done.")
    elif changed:
        what = " and ".join(f"the {key}" for key in changed)
        verb = "has" if changed == ["model"] else "have"
        watch.say(f"From the first part: {what} {verb} changed since the last start.")


@contextlib.contextmanager
def _progress(settings: ScoreSettings, count: int, watch: Watch) -> Iterator[None]:
    """Looks at the parts now and then: whatever process writes them, they are in one folder."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_S):
            done = parts.count_parts(settings.parts) * settings.batch_size
            watch.progress(min(done, count), count)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _finish(
    settings: ScoreSettings,
    model: ServedModel,
    images: Images,
    columns: Columns,
    job: parts.Job,
) -> Counts:
    done = parts.done_parts(settings.parts, parts.identity(job))
    # Some Beam runners have lost records without an error.
    held = sum(parts.read_part(path).num_rows for path in done.values())
    if held != images.count:
        raise RuntimeError(f"{held:,} of {images.count:,} images are in the parts")
    metadata = {
        _COMMAND: settings.command(),
        _JOB: json.dumps(job),
        "bit_tfx.model": model.folder,
        "bit_tfx.model_version": model.version,
        "bit_tfx.model_digest": model.digest,
        "bit_tfx.class_names": json.dumps(model.class_names),
        "bit_tfx.images": settings.images,
    }
    return assemble(
        done.values(),
        columns,
        settings.sort,
        (settings.target, settings.rejects),
        metadata,
        settings.parts,
    )


def summary(settings: ScoreSettings, counts: Counts, seconds: float) -> list[str]:
    """What to print at the end.

    Args:
      settings: what was asked for.
      counts: what became of the images.
      seconds: that it took.
    """
    rejects = sum(counts.rejects.values())
    images = counts.rows + rejects
    lines = [
        f"{counts.rows:,} of {images:,} images have an answer, in {settings.target} "
        f"({seconds:.1f} s)."
    ]
    if rejects:
        lines.append(f"{rejects:,} have none, in {settings.rejects}: {by_reason(counts.rejects)}.")
    return lines
