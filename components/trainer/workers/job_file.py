"""How the chief sends the job to the other workers: in one file beside the checkpoints.

>>> import tempfile
>>> folder = tempfile.TemporaryDirectory()
>>> file = job_file(folder.name)
>>> read_number(file)
0
>>> wait_for_job(file, other_than=0, timeout_s=0)
Traceback (most recent call last):
...
TimeoutError: no training with several workers started within 0 s: ...
>>> folder.cleanup()
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from typing import Any

from components.storage import AnyPath, as_path, io_errors, write_whole
from components.trainer.settings import Job

_logger = logging.getLogger(__name__)

_POLL_S = 1.0


def job_file(checkpoints: str) -> AnyPath:
    """The path of the file in the folder of all checkpoints."""
    return as_path(checkpoints) / "job.json"


def write_job(file: AnyPath, job: Job) -> int:
    """Writes a job under a new random number above 0; returns the number."""
    # Workers exchange it as a float64, which holds 53 bits.
    number = secrets.randbelow(2**52) + 1
    write_whole(file, json.dumps({"number": number, "job": job.model_dump(mode="json")}))
    return number


def read_number(file: AnyPath) -> int:
    """The number of the job in the file; 0 if there is none."""
    return _read(file).get("number", 0)


def wait_for_job(file: AnyPath, other_than: int, timeout_s: float | None) -> int:
    """Waits for a job other than the last one that was done; returns its number.

    Args:
      file: `job_file`.
      other_than: number of the last job; 0 if there was none.
      timeout_s: seconds; None waits without limit.

    Raises:
      TimeoutError: no job appeared.
    """
    started = time.monotonic()
    while True:
        number = read_number(file)
        if number not in (0, other_than):
            return number
        if timeout_s is not None and time.monotonic() - started > timeout_s:
            raise TimeoutError(
                f"no training with several workers started within {timeout_s} s: {file}"
            )
        time.sleep(_POLL_S)


def await_job(file: AnyPath, number: int, timeout_s: float) -> Job:
    """Waits for the job with this number; shared storage may show an older one at first.

    Raises:
      TimeoutError: the job does not appear.
    """
    started = time.monotonic()
    while True:
        found = _read(file)
        if found.get("number") == number:
            return Job.model_validate(found["job"])
        if time.monotonic() - started > timeout_s:
            raise TimeoutError(
                f"{file} does not hold the chief's job; check that all workers use the same storage"
            )
        time.sleep(_POLL_S)


def remove_job(file: AnyPath, number: int) -> None:
    """Removes a job that is done or has failed, unless another run has replaced it."""
    try:
        if read_number(file) == number:
            file.unlink()
    except io_errors() as error:
        _logger.warning("%s could not be removed: %s", file, error)


def _read(file: AnyPath) -> dict[str, Any]:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except io_errors(ValueError):
        return {}
