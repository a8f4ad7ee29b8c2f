"""Workers of one training as processes on this machine."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from pipeline.inputs.code import ROOT

CHIEF = """
import logging, os, sys
from components.errors import UserError
from components.progress import LOGGER
from components.trainer.workers.chief import train_with_workers
from components.trainer.settings import Job
logging.basicConfig(level=logging.INFO)
LOGGER.setLevel(logging.INFO)
try:
    train_with_workers(Job.model_validate_json(sys.argv[1]))
except UserError as error:
    sys.exit(f"user: {error}")
"""


class Cluster:
    """Processes with addresses of their own; what they say goes to files."""

    def __init__(self, folder, count):
        self.folder = folder
        self.started = {}
        held = [socket.socket() for _ in range(count)]
        for one in held:
            one.bind(("localhost", 0))
        self.addresses = [f"localhost:{one.getsockname()[1]}" for one in held]
        for one in held:
            one.close()

    def start(self, index, *command):
        told = {"cluster": {"worker": self.addresses}, "task": {"type": "worker", "index": index}}
        with self.log(index).open("w") as log:
            self.started[index] = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env={**os.environ, "TF_CONFIG": json.dumps(told), "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def start_chief(self, job):
        self.start(0, "-c", CHIEF, job.model_dump_json())

    def start_worker(self, index, job, *options):
        output = os.path.dirname(job.checkpoints)
        self.start(index, "-m", "pipeline.cli", "worker", "--output", output, *options)

    def log(self, index):
        return Path(self.folder, f"worker{index}.log")

    def wait(self, index, timeout_s=240):
        """The exit code."""
        return self.started[index].wait(timeout_s)

    def wait_for(self, index, said, timeout_s=120):
        deadline = time.monotonic() + timeout_s
        while said not in self.log(index).read_text():
            assert time.monotonic() < deadline, self.log(index).read_text()[-3000:]
            time.sleep(0.02)


def children(process):
    return [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/stat")
        if path.read_text().rpartition(")")[2].split()[1] == str(process.pid)
    ]
