"""Asks Beam's workers, before the first step, whether they can do the work.

Workers of a job service may be on machines that see other disks, and have other versions. Without
this, a step finds out after its job has run to the end elsewhere, or by an error of pickle's. One
small job makes every worker read a file below the output, read the data, and write what it is.

The run's worker process asks before it loads TFX:

    from pipeline.run.probe import probe

    probe(config.beam, layout.output, data_of(source))
"""

from __future__ import annotations

import functools
import json
import shutil
import socket
import urllib.error
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineState

from components.drafts import Drafts, opened
from components.errors import UserError
from components.storage import AnyPath, as_path, io_errors
from pipeline.config.beam import BeamConfig, starts_job_server
from pipeline.run.beam_flags import checked_flags
from pipeline.run.beam_jobs import cancel_job, cancelled_on_error
from pipeline.run.error_line import one_line
from pipeline.run.worker_facts import CURE_CODE, Facts, objection

if TYPE_CHECKING:
    from components.example_gen.sources.source import Source

LIMIT_S = 300
"""For a worker's first answer: a cluster may pull an image first."""

_QUESTION = "question"
_ANSWER = "answer.json"
_NAMESPACE = "bit"
_UNSEEN = "what is written here is not there"
_ELEMENTS = 64
"""So many that no worker of a few gets none; with `parallelism`, at least sixteen for each."""
_JAR_LIMIT_S = 20


@dataclass(frozen=True)
class Question:
    """What a worker is asked; it is sent to it.

    Attributes:
      drafts: folder below the output, whose name occurs once.
      paths: of data to read.
    """

    drafts: Drafts
    paths: tuple[str, ...]


def probe(
    section: BeamConfig, output: AnyPath, paths: Sequence[str], limit_s: float = LIMIT_S
) -> list[Facts]:
    """Runs the job, and compares what the workers say with this process.

    Args:
      section: the `beam` section, of a runner with workers of its own.
      output: folder of the run.
      paths: files or folders of the data, a few of them.
      limit_s: for the job.

    Returns:
      The facts of every worker process that answered.

    Raises:
      UserError: the workers cannot do the work, or there is none.
    """
    options = PipelineOptions(checked_flags(section))
    if starts_job_server(section):
        check_job_server(section, options)
    with opened(str(output)) as drafts:
        question = Question(drafts, tuple(paths))
        as_path(drafts.path(_QUESTION)).write_text("", encoding="utf-8")
        silent = _ask(section, options, question, limit_s)
        workers = list(_answers(drafts))
    if silent or not workers:
        host, why = next(iter(sorted(silent.items())), ("another machine", _UNSEEN))
        raise UserError(
            f"beam.runner {section.runner}: a worker on {host} cannot use {output} of this machine "
            f"({socket.gethostname()}): {why}. The output must be on a disk that all workers share "
            "and may write, at the same path, or in an object store: --output gs://..."
        )
    if wrong := objection(Facts.here(()), workers):
        raise UserError(f"beam.runner {section.runner}: {wrong}")
    return workers


def data_of(source: Source) -> list[str]:
    """A file or folder of each split, for a worker to read."""
    return sorted({shard.split: shard.path for shard in source.shards}.values())


def _ask(
    section: BeamConfig, options: PipelineOptions, question: Question, limit_s: float
) -> dict[str, str]:
    """Runs the job; returns why workers could leave no answer, by their host."""
    pipeline = beam.Pipeline(options=options)
    parallelism = section.given().get("parallelism")
    count = max(_ELEMENTS, 16 * parallelism if isinstance(parallelism, int) else 0)
    _ = (
        pipeline
        | "Numbers" >> beam.Create(range(count))
        | "Spread" >> beam.Reshuffle()
        | "Look" >> beam.Map(look, question)
    )
    result: Any = None
    try:
        with cancelled_on_error():
            result = pipeline.run()
            result.wait_until_finish(duration=round(1000 * limit_s))
    # Whatever the runner, its services or the worker raise.
    except Exception as error:
        raise UserError(_failed(section, error)) from error
    if not PipelineState.is_terminal(result.state):
        cancel_job(result, pipeline.options)
        where = section.given().get("environment_config", "the cluster")
        raise UserError(
            f"beam.runner {section.runner}: no worker has done anything within {limit_s:.0f} s. "
            f"Look at the log of the worker pool ({where}): does it start workers, do they find "
            "`python` on their PATH, and can they reach the job service?"
        )
    counters = result.metrics().query()["counters"]
    names = [each.key.metric.name for each in counters if each.key.metric.namespace == _NAMESPACE]
    return {host: why for host, _, why in (name.partition(": ") for name in names)}


def look(number: int, question: Question) -> None:
    """What a worker does, once in each of its processes; the number is only for the spread."""
    del number
    if why := _answered(question):
        # The one way back that needs no disk.
        Metrics.counter(_NAMESPACE, f"{socket.gethostname()}: {why}").inc()


@functools.cache
def _answered(question: Question) -> str:
    """Leaves the facts of this process below the output; returns why it cannot, else ""."""
    try:
        if not as_path(question.drafts.path(_QUESTION)).exists():
            return _UNSEEN
        facts = Facts.here(question.paths)
        with question.drafts.file(_ANSWER) as draft:
            as_path(draft).write_text(json.dumps(asdict(facts)), encoding="utf-8")
    except io_errors() as error:
        return f"it cannot write there ({getattr(error, 'strerror', None) or error})"
    return ""


def _answers(drafts: Drafts) -> Iterator[Facts]:
    for path in sorted(as_path(drafts.folder).iterdir(), key=str):
        if path.name.endswith(_ANSWER):
            yield Facts.from_json(json.loads(path.read_text(encoding="utf-8")))


def _failed(section: BeamConfig, error: Exception) -> str:
    said = one_line(error)
    start = f"beam.runner {section.runner}: the workers were asked what they are, and "
    if "No module named 'pipeline" in said or "No module named 'components" in said:
        return f"{start}do not have this project: {CURE_CODE}, or put it on their PYTHONPATH."
    return (
        f"{start}failed: {said}. Look at the log of the job service and of the workers; a worker "
        "needs the same Python, Beam and project as this machine."
    )


def check_job_server(section: BeamConfig, options: PipelineOptions) -> None:
    """Checks that Beam can start its job server here: Java, and the jar, which it may download.

    Raises:
      UserError: it cannot.
    """
    given = section.given()
    name = "flink" if section.runner == "FlinkRunner" else "spark"
    java = str(given.get("job_server_java_launcher", "java"))
    if f"{name}_submit_uber_jar" not in given and shutil.which(java) is None:
        raise UserError(
            f"beam.runner {section.runner} starts Beam's job server, and there is no {java} on the "
            "PATH: install a Java runtime, or name a job server that runs already in "
            "beam.options.job_endpoint."
        )
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_JAR_LIMIT_S)
    try:
        server = _jar_server(section.runner, options)
        server.local_jar(server.path_to_jar())
    except (OSError, RuntimeError, ValueError, urllib.error.URLError) as error:
        raise UserError(
            f"beam.runner {section.runner}: the jar of Beam's job server is not to be had "
            f"({one_line(error)}). Get it on a machine with network, from Maven's "
            f"org.apache.beam:beam-runners-{name}-*-job-server, and give its path as "
            f"beam.options.{name}_job_server_jar; or name a job server that runs already in "
            "beam.options.job_endpoint."
        ) from error
    finally:
        socket.setdefaulttimeout(before)


def _jar_server(runner: str, options: PipelineOptions) -> Any:
    if runner == "FlinkRunner":
        from apache_beam.runners.portability.flink_runner import FlinkJarJobServer

        return FlinkJarJobServer(options)
    from apache_beam.runners.portability.spark_runner import SparkJarJobServer

    return SparkJarJobServer(options)
