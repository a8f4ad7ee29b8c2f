"""The Beam jobs that a step has sent to a cluster: none of them outlives the step.

Beam sends a job and waits for it. Who stops waiting, by Ctrl-C or because the job service is gone,
leaves the job to run to its end, writing into a folder that nobody reads. A step runs in the first,
and whoever ends the process calls `cancel_jobs` before:

>>> with cancelled_on_error(), beam.Pipeline(runner="FnApiRunner") as pipeline:
...     _ = pipeline | beam.Create(["done"]) | beam.Map(print)
done
>>> cancel_jobs()  # None is left.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    PipelineOptions,
    PortableOptions,
)
from apache_beam.runners.runner import PipelineState
from apache_beam.utils.subprocess_server import SubprocessServer

_logger = logging.getLogger(__name__)

_LIMIT_S = 30.0
# The job server uploads 150 MB before Flink knows the job: 2 to 18 s.
_APPEARS_S = 25.0
_REST_S = 5.0

_jobs: list[tuple[Any, PipelineOptions]] = []


@contextlib.contextmanager
def cancelled_on_error() -> Iterator[None]:
    """Whatever leaves the block as an exception first cancels the jobs that were sent in it.

    Raises:
      RuntimeError: the job service that a job was sent to is gone.
    """
    send = beam.Pipeline.run

    def run(self: Any, *arguments: Any, **named: Any) -> Any:
        result = send(self, *arguments, **named)
        _jobs.append((result, self.options))
        return result

    beam.Pipeline.run = run  # type: ignore[method-assign]
    try:
        yield
    except grpc.RpcError as error:
        gone = _gone(error)
        cancel_jobs()
        if gone:
            raise RuntimeError(gone) from error
        raise
    except BaseException:
        cancel_jobs()
        raise
    finally:
        beam.Pipeline.run = send  # type: ignore[method-assign]
        _jobs.clear()


def _gone(error: Any) -> str:
    """What to do where an error says that the job service has gone; else empty."""
    if not _jobs or error.code() != grpc.StatusCode.UNAVAILABLE:
        return ""
    _, options = _jobs[-1]
    endpoint = options.view_as(PortableOptions).job_endpoint
    if endpoint is None:
        return (
            f"the job service that Beam had started has ended while the job ran ({error.details()})"
            ". What it printed is in the step's log; start the run again: finished steps are not "
            "done again."
        )
    return (
        f"Beam's job service at {endpoint} has gone while the job ran ({error.details()}). Start "
        "it again, and then the run: finished steps are not done again."
    )


def stop_job_services() -> None:
    """Ends the job services that Beam has started for this process: Prism, or from a jar.

    Beam leaves that to `atexit`, which a process that ends at once does not come to.
    """
    services = SubprocessServer._cache
    for owner in list(services._live_owners):
        services.purge(owner)


def cancel_jobs() -> None:
    """Cancels what still runs of the jobs of the current step; returns after at most 30 s.

    Called by another thread too, where the step's own waits for its job.
    """
    threads = [
        threading.Thread(target=cancel_job, args=(result, options), daemon=True)
        for result, options in list(_jobs)
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + _LIMIT_S
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))


def cancel_job(result: Any, options: PipelineOptions) -> None:
    """Cancels a job if it runs: at its job service, and at Flink itself. What fails is logged.

    Args:
      result: of `beam.Pipeline.run`.
      options: the pipeline's.
    """
    try:
        if PipelineState.is_terminal(result.state):
            return
        result.cancel()
        _logger.warning("the Beam job is cancelled")
    except Exception as error:  # The job service may be what has ended.
        said = error.details() if isinstance(error, grpc.RpcError) else repr(error)
        _logger.warning("the job service did not cancel the Beam job: %s", said)
    flink, name = options.view_as(FlinkRunnerOptions).flink_master, _name(result)
    if not name or not flink or flink.startswith("["):
        return
    try:
        cancel_on_flink(flink, name)
    except (OSError, ValueError, KeyError) as error:
        _logger.warning("%s did not cancel job %s: %r", flink, name, error)


def _name(result: Any) -> str:
    """The job's name on Flink; empty for a runner without a job service."""
    # PortableRunner's; the job service makes it of the name and a number of its own.
    return str(getattr(result, "_job_id", "")).rpartition("_")[0]


def cancel_on_flink(master: str, name: str) -> bool:
    """Cancels a job at Flink itself; Beam's job server (2.62) forgets it there.

    The server stops waiting for a batch job and says CANCELLED, and the job runs on.

    Args:
      master: address of the job manager's REST interface, `host:8081` or a URL.
      name: of the job, which holds a random number.

    Returns:
      Whether the job was there and had not ended.

    Raises:
      OSError: nobody answers there.
    """
    base = master if "://" in master else f"http://{master}"
    end = time.monotonic() + _APPEARS_S
    while True:
        try:
            found = [job for job in _ask(f"{base}/jobs/overview")["jobs"] if job["name"] == name]
            running = [job["jid"] for job in found if job["end-time"] < 0]
            for identity in running:
                _ask(f"{base}/jobs/{urllib.parse.quote(identity)}?mode=cancel", "PATCH")
                _logger.warning("job %s is cancelled on Flink", name)
            if found:
                return bool(running)
        except TimeoutError:  # Of a job manager that is busy taking this very job.
            if time.monotonic() > end:
                raise
        if time.monotonic() > end:
            return False
        time.sleep(0.5)


def _ask(url: str, method: str = "GET") -> Any:
    request = urllib.request.Request(url, method=method)
    with urllib.request.urlopen(request, timeout=_REST_S) as answer:
        return json.loads(answer.read() or b"null")
