"""The Trainer step's part in a training with several workers.

>>> from components.process import variable
>>> with variable("TF_CONFIG", ""):
...     train_with_workers(job=None)
Traceback (most recent call last):
...
components.errors.UserError: training.strategy multi_worker: the environment variable ...
"""

from __future__ import annotations

import os

from components.errors import UserError
from components.trainer.settings import Job
from components.trainer.workers.cluster import read_cluster
from components.trainer.workers.job_file import job_file, remove_job, write_job
from components.trainer.workers.worker import run_worker

JOIN_TIMEOUT_S = 1800
"""Seconds within which all other workers must join."""


def train_with_workers(job: Job) -> None:
    """Sends the job to the other workers, and trains with them as their chief.

    In a separate process: TensorFlow can only join a cluster before it computes anything, and this
    process already has.

    Raises:
      UserError: TF_CONFIG is missing or invalid, or the training cannot run as configured.
      RuntimeError: it failed, here or on another worker.
    """
    cluster = read_cluster(os.environ)
    if not cluster.is_chief:
        raise UserError(
            f"TF_CONFIG makes the Trainer step worker {cluster.index}, but it must be the chief: "
            "set its task to chief 0, or to worker 0 if the cluster has no chief."
        )
    file = job_file(job.checkpoints)
    number = write_job(file, job)
    try:
        run_worker(file, JOIN_TIMEOUT_S)
    finally:
        remove_job(file, number)
