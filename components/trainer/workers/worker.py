"""One of the processes that train together (`training.strategy: multi_worker`).

The Trainer step starts the chief. Start the others yourself, each with its own TF_CONFIG and with
the output folder of the pipeline, to which all of them need access:

    bit-tfx worker --output DIR [--forever]

A worker waits for a run, trains with it, and writes no files. Both train in a process of their own,
which is this module's `main`:

    .venv/bin/python -m components.trainer.workers.worker --job FILE --timeout-s SECONDS
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import signal
import sys
import time
from typing import Any

from components.errors import UserError
from components.process import ROOT, end_with_parent, leave, start
from components.progress import LOGGER, EventHandler, read_events, report, report_epoch
from components.storage import AnyPath, as_path
from components.terminal import run_command
from components.trainer.workers.cluster import read_cluster
from components.trainer.workers.job_file import await_job, job_file, read_number, wait_for_job

_logger = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"
"""The folder of all checkpoints below a pipeline's output (`pipeline.run.layout`)."""

_STORAGE_S = 120
"""Seconds within which every worker sees what the chief has written."""
_PARTING_S = 1
_ABORTED = "Collective ops is aborted"


def main(arguments: list[str] | None = None) -> int:
    """The process of `run_worker`: trains, and reports its epochs and its end as events."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--job", required=True)
    parser.add_argument("--timeout-s", type=int, required=True)
    parser.add_argument("--events", type=int)
    options = parser.parse_args(arguments)
    _log_to_stderr()
    return _train(as_path(options.job), options.timeout_s, options.events)


def serve(output: str, forever: bool, timeout_s: int) -> int:
    """Takes part in the next run of a pipeline, or in run after run.

    Args:
      output: folder of the pipeline, which all workers see; a path, or a gs:// URI.
      forever: whether to serve run after run, however each of them ends.
      timeout_s: seconds for a run to begin, unless `forever`, and then for all workers to come.

    Returns:
      0 where the training is done, 1 where it failed or none began in time.

    Raises:
      UserError: TF_CONFIG is not valid, or the training cannot run as configured.
    """
    _log_to_stderr()
    # The first process of a container has no default handler for it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        _serve(output, forever, timeout_s)
    except (RuntimeError, TimeoutError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    LOGGER.setLevel(logging.INFO)


def run_worker(file: AnyPath, timeout_s: int) -> None:
    """Trains in a separate process, with TF_CONFIG's other workers, and reports its epochs.

    The process ends with this one.

    Args:
      file: `job_file`.
      timeout_s: seconds within which all workers must join.

    Raises:
      UserError: the training cannot run as configured.
      RuntimeError: it failed.
    """
    read_end, write_end = os.pipe()
    options = ["--job", os.fspath(file), "--timeout-s", str(timeout_s), "--events", str(write_end)]
    process = start(
        "components.trainer.workers.worker", *options, environment=os.environ, pass_fds=(write_end,)
    )
    os.close(write_end)
    assert process.stdin is not None
    last: dict[str, Any] = {}
    try:
        with os.fdopen(read_end, encoding="utf-8") as pipe:
            for last in read_events(pipe):
                if last["event"] == "epoch":
                    report_epoch(last["epoch"], last["epochs"], last["metrics"])
    finally:
        # End of input ends a process that is still running.
        process.stdin.close()
        code = process.wait()
    if last.get("event") == "user_error":
        raise UserError(last["reason"])
    if code == -signal.SIGALRM:
        raise RuntimeError(
            f"not all workers of TF_CONFIG joined within {timeout_s} s: check that each of them is "
            "running and can reach the addresses of the others"
        )
    if code:
        raise RuntimeError(last.get("reason", f"the worker's process ended with code {code}"))


def _serve(output: str, forever: bool, timeout_s: int) -> None:
    cluster = read_cluster(os.environ)
    if cluster.is_chief:
        raise UserError(
            "TF_CONFIG makes this process the chief, which the Trainer step starts itself: set the "
            "index of another worker."
        )
    file = job_file(os.fspath(as_path(output) / CHECKPOINTS))
    done = 0
    while True:
        _logger.info("worker %d of %d waits for %s", cluster.index, cluster.count, file)
        done = wait_for_job(file, done, None if forever else timeout_s)
        _logger.info("a training has started")
        try:
            run_worker(file, timeout_s)
        except (UserError, RuntimeError) as error:
            if not forever:
                raise
            _logger.error("the training failed: %s", error)
        if not forever:
            return


def _train(file: AnyPath, timeout_s: int, events: int | None) -> int:
    """The process of `run_worker`; reports the reason of a failure and returns the exit code."""
    if events is not None:
        end_with_parent()
        LOGGER.addHandler(EventHandler(os.fdopen(events, "w", encoding="utf-8")))
        # The parent logs it.
        LOGGER.propagate = False
    try:
        _train_together(file, timeout_s)
    except UserError as error:
        report("stopped", event="user_error", reason=str(error))
        return 2
    except Exception as error:
        _logger.exception("the training failed")
        report("stopped", event="failure", reason=_reason(error))
        return 1
    finally:
        # Lets messages to the other workers arrive.
        time.sleep(_PARTING_S)
    return 0


def _train_together(file: AnyPath, timeout_s: int) -> None:
    # Imported here: starting or awaiting such a process does not need TensorFlow.
    import tensorflow as tf

    from components.trainer.strategy import join_workers, sum_of_workers, worker
    from components.trainer.train import train

    # The default action ends the process, which waits where Python's handlers do not run.
    signal.alarm(timeout_s)
    workers = join_workers()
    with workers.scope():
        number = _agree(file, len(workers.extended.worker_devices))
    signal.alarm(0)
    train(await_job(file, number, _STORAGE_S), workers)
    with workers.scope():
        index, _ = worker()
        try:
            # A worker that left while the chief is still exporting would be taken for dead.
            sum_of_workers([0.0])
        except tf.errors.OpError:
            if index > 0:
                raise
            _logger.warning("a worker left before the end; the model is complete", exc_info=True)


def _agree(file: AnyPath, devices: int) -> int:
    """The number of the chief's job; a job in the file before all had joined may be an old one."""
    from components.trainer.strategy import chiefs_value, sum_of_workers

    cluster = read_cluster(os.environ)
    _logger.info("worker %d of %d, devices: %d", cluster.index, cluster.count, devices)
    number = chiefs_value(read_number(file) if cluster.is_chief else 0)
    code = _code()
    same = int(sum_of_workers([float(code == chiefs_value(code))])[0])
    if same < cluster.count:
        raise UserError(
            f"training.strategy multi_worker: {cluster.count - same} of the {cluster.count} "
            "workers have different code or a different TensorFlow from the chief's. Start all of "
            "them from one image, or from equal checkouts."
        )
    return number


def _code() -> int:
    """Digest of the code, which must be the same everywhere, or workers would deadlock."""
    import tensorflow as tf

    digest = hashlib.sha256(tf.__version__.encode())
    for module in sorted((ROOT / "components").rglob("*.py")):
        digest.update(module.read_bytes())
    return int.from_bytes(digest.digest()[:6], "big")


def _reason(error: Exception) -> str:
    if _ABORTED in str(error):
        return "another worker is gone or has failed; its log has the reason"
    text = str(error)
    # TensorFlow's messages are pages that include their type.
    return text if "\n" in text else f"{type(error).__name__}: {text}"


if __name__ == "__main__":
    leave(run_command(main, goes_on=True))
