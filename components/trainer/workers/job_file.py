"""How the chief tells the other workers what to train: one file beside the checkpoints."""

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
    """Where it is, from the folder of all checkpoints."""
    return as_path(checkpoints) / "job.json"


def write_job(file: AnyPath, job: Job) -> int:
    """Writes a job under a number of its own, above 0, and returns that."""
    # Workers agree on it as a float64, which holds so many bits.
    number = secrets.randbelow(2**52) + 1
    write_whole(file, json.dumps({"number": number, "job": job.model_dump(mode="json")}))
    return number


def read_number(file: AnyPath) -> int:
    """The number of the job that is there; 0 where there is none."""
    return _read(file).get("number", 0)


def wait_for_job(file: AnyPath, other_than: int, timeout_s: float | None) -> int:
    """The number of a job, once there is one other than that which was done last.

    Args:
      file: `job_file`.
      other_than: a number; 0 where none was done.
      timeout_s: seconds; None waits as long as it takes.

    Raises:
      TimeoutError: none came.
    """
    started = time.monotonic()
    while True:
        number = read_number(file)
        if number not in (0, other_than):
            return number
        if timeout_s is not None and time.monotonic() - started > timeout_s:
            raise TimeoutError(f"no training by several workers began within {timeout_s} s: {file}")
        time.sleep(_POLL_S)


def await_job(file: AnyPath, number: int, timeout_s: float) -> Job:
    """The job with this number; shared storage may show it late, or an older one before it.

    Raises:
      TimeoutError: it does not appear.
    """
    started = time.monotonic()
    while True:
        found = _read(file)
        if found.get("number") == number:
            return Job.model_validate(found["job"])
        if time.monotonic() - started > timeout_s:
            raise TimeoutError(f"{file} does not hold the chief's job: is it the chief's storage?")
        time.sleep(_POLL_S)


def remove_job(file: AnyPath, number: int) -> None:
    """Takes a job back that is done or has failed; another run's stays."""
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
