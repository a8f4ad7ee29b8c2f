"""The Trainer step's side of a training by several workers."""

from __future__ import annotations

import os

from components.errors import UserError
from components.trainer.settings import Job
from components.trainer.workers.cluster import read_cluster
from components.trainer.workers.job_file import job_file, remove_job, write_job
from components.trainer.workers.worker import run_worker

JOIN_TIMEOUT_S = 1800
"""Seconds in which all other workers must have come."""


def train_with_workers(job: Job) -> None:
    """Tells the other workers what to train, and trains with them as their chief.

    In a process of its own: TensorFlow joins a cluster before anything else or not at all, and this
    process has long computed with it.

    Raises:
      UserError: TF_CONFIG is missing or wrong, or the training cannot be had as configured.
      RuntimeError: it broke off, here or on another worker.
    """
    cluster = read_cluster(os.environ)
    if not cluster.is_chief:
        raise UserError(
            f"TF_CONFIG makes the Trainer step worker {cluster.index}: it must be the chief, which "
            "is the task chief 0, or worker 0 where there is no chief."
        )
    file = job_file(job.checkpoints)
    number = write_job(file, job)
    try:
        run_worker(file, JOIN_TIMEOUT_S)
    finally:
        remove_job(file, number)
