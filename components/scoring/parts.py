"""What a scoring has done so far: a folder of parts beside the output, which a later start finds.

A part holds the rows of one batch, and its name has a digest of its job and its bytes: one that a
power cut has spoiled, or that a worker of an earlier job has left, is done again, and no part waits
for the disk.

>>> import tempfile
>>> import pyarrow as pa
>>> with tempfile.TemporaryDirectory() as name:
...     folder = Path(name)
...     write_part(folder, "job", 0, 3, pa.table({"name": ["a.jpg"]}))
...     done = list(done_parts(folder, "job"))
...     [spoiled] = folder.iterdir()
...     _ = spoiled.write_bytes(b"")
...     done, list(done_parts(folder, "job")), list(folder.iterdir())
([(0, 3)], [], [])
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from components.durable import make_folder
from components.errors import UserError
from components.storage import write_whole

JOB = "job.json"
_NAME = re.compile(r"(\d+)-(\d+)\.([0-9a-f]{16})\.arrow")

Parts = dict[tuple[int, int], Path]
"""Files by (number of the shard, number of the batch), rising."""

Job = Mapping[str, str]
"""What parts belong to: a digest by what it is of, `model`, `images`, `options`."""


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[None]:
    """Makes the folder, and holds it: no other process writes parts there meanwhile.

    Raises:
      UserError: another does.
    """
    make_folder(folder)
    held = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"another `bit-tfx score` is writing into {folder}. Wait for it, or give another "
                "--output."
            ) from error
        yield
    finally:
        os.close(held)


def settle(folder: Path, job: Job) -> tuple[Parts, list[str]]:
    """Keeps the parts of this job, and removes those of any other.

    Returns:
      The parts that are there, and what about the earlier job differs, as its keys.
    """
    before = _job_in(folder)
    if before == job:
        return done_parts(folder, identity(job)), []
    changed = sorted(key for key in job if before.get(key) != job[key]) if before else []
    for path in folder.iterdir():
        path.unlink()
    write_whole(folder / JOB, json.dumps(dict(job), indent=2))
    return {}, changed


def identity(job: Job) -> str:
    """Tells a job from every other."""
    return hashlib.sha256(json.dumps(dict(job), sort_keys=True).encode()).hexdigest()


def write_part(folder: Path, job: str, shard: int, batch: int, table: pa.Table) -> None:
    """Writes a part; it has its name when it is whole.

    Args:
      folder: of the parts.
      job: its `identity`.
      shard: number of the shard.
      batch: number of the batch in it.
      table: the rows.
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    content = sink.getvalue()
    digest = _digest(job, content)
    unfinished = folder / f".{uuid.uuid4().hex}"
    unfinished.write_bytes(content)
    os.replace(unfinished, folder / f"{shard:06d}-{batch:06d}.{digest}.arrow")


def done_parts(folder: Path, job: str) -> Parts:
    """The whole parts of a job; whatever else is there, but the job itself, is removed."""
    found: Parts = {}
    for path in sorted(folder.iterdir()):
        name = _NAME.fullmatch(path.name)
        key = (int(name[1]), int(name[2])) if name else None
        whole = name and _digest(job, path.read_bytes()) == name[3]
        if key and whole and key not in found:
            found[key] = path
        elif path.name != JOB:
            path.unlink()
    return found


def count_parts(folder: Path) -> int:
    """How many parts have their name."""
    with contextlib.suppress(FileNotFoundError):
        return sum(name.endswith(".arrow") for name in os.listdir(folder))
    return 0


def read_part(path: Path) -> pa.Table:
    """The table of a part."""
    return pa.ipc.open_file(pa.BufferReader(path.read_bytes())).read_all()


def remove(folder: Path) -> None:
    """Removes all parts: the job first, so that what a kill leaves of the others counts no more."""
    (folder / JOB).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _digest(job: str, content: bytes) -> str:
    digest = hashlib.sha256(job.encode())
    digest.update(content)
    return digest.hexdigest()[:16]


def _job_in(folder: Path) -> Job:
    try:
        found = json.loads((folder / JOB).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
