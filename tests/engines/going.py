"""A run that is watched while it goes on, and its files of ExampleGen."""

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from pipeline.inputs.code import ROOT

STEP = "ImageExampleGen"
OUTPUTS = ("examples", "index", "quarantine")


@contextlib.contextmanager
def going(output, *overrides):
    """Starts local_runner.py; at the end it is interrupted, as by Ctrl-C, if it still runs."""
    # A shell that runs the tests in the background has it ignored.
    command = ["env", "--default-signal=INT", sys.executable, str(ROOT / "local_runner.py")]
    command += ["--output", str(output)]
    command += [part for override in overrides for part in ("--set", override)]
    log = Path(f"{output}-{time.monotonic_ns()}.txt")
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=ROOT,
            env=dict(os.environ),
            start_new_session=True,
        )
    run = Going(process, Path(output), log)
    try:
        yield run
    finally:
        run.interrupt()


class Going:
    """One run: its process, folder, and what it prints."""

    def __init__(self, process, output, log):
        self._process, self.output, self.log = process, output, log

    def wait_for(self, true, what, limit_s=900):
        """Returns once it is true; fails when the run ends before, or the time is up."""
        end = time.monotonic() + limit_s
        while not true():
            ended = self._process.poll()
            assert ended is None or true(), f"{what}: the run ended\n{self.log.read_text()}"
            assert time.monotonic() < end, f"{what}: not in {limit_s} s\n{self.log.read_text()}"
            time.sleep(0.02)

    def wait_for_job(self, rest):
        """Returns the id of ExampleGen's job on Flink, once it runs."""
        self.wait_for(lambda: self._newest("examples"), f"{STEP} begins")
        others = {job["jid"] for job in rest.jobs()}
        found = []

        def runs():
            found[:] = [job for job in rest.jobs() if job["jid"] not in others]
            return found and found[0]["state"] == "RUNNING"

        self.wait_for(runs, "a job on Flink")
        return found[0]["jid"]

    def wait_for_step(self):
        """Returns once ExampleGen has completed."""
        self.wait_for(lambda: re.search(f"[✓=] {STEP} ", self.log.read_text()), STEP)

    def wait_for_end(self, limit_s=900):
        """The run's exit code."""
        return self._process.wait(limit_s)

    def interrupt(self):
        """Ctrl-C, as a terminal sends it, to every process of the run; returns at their end."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)
        self._process.wait(120)

    def kill(self):
        """`kill -9` of the process that was started, and of none of those that it has started."""
        self._process.kill()

    def reasons(self):
        """Why it failed, as its summary says."""
        return json.loads((self.output / "run_summary.json").read_text())["reasons"]

    def files(self):
        """SHA-256 of every file of ExampleGen's newest execution, by output and path.

        Not of one under an unfinished name, which a worker that was killed leaves behind.
        """
        return {
            f"{name}/{path.relative_to(folder)}": hashlib.sha256(path.read_bytes()).hexdigest()
            for name in OUTPUTS
            for folder in self._newest(name)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and "-unfinished-" not in path.name
        }

    def files_begun(self):
        """How many files of examples there are so far, whole or not, under whatever name."""
        folder = self.output / "artifacts" / STEP
        return sum("data_tfrecord" in path.name for path in folder.rglob("*"))

    def _newest(self, name):
        folder = self.output / "artifacts" / STEP / name
        numbers = [int(path.name) for path in folder.glob("[0-9]*")]
        return [folder / str(max(numbers))] if numbers else []
