"""A job that nobody waits for is cancelled; on Flink: tests/engines/test_flink_faults.py."""

import time

import apache_beam as beam
import pytest
from apache_beam.runners.runner import PipelineState

from pipeline.run.beam_jobs import cancelled_on_error


@pytest.fixture
def send(services):
    """Sends a job of so many seconds to Beam's own job service."""

    def start(seconds):
        flags = ["--runner=PortableRunner", f"--job_endpoint={services.job_endpoint}"]
        flags += ["--environment_type=EXTERNAL", f"--environment_config={services.pool}"]
        pipeline = beam.Pipeline(argv=flags)
        _ = pipeline | beam.Create([seconds]) | beam.Map(time.sleep)
        return pipeline.run()

    return start


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_step_that_ends_early_cancels_its_job(send, error):
    # 5 s each.
    sent = []

    def step():
        with cancelled_on_error():
            sent.append(send(600))
            while sent[0].state != PipelineState.RUNNING:
                time.sleep(0.1)
            raise error

    with pytest.raises(error):
        step()
    assert sent[0].state == PipelineState.CANCELLED


def test_a_job_that_has_ended_is_left_alone(send):
    sent = []

    def step():
        with cancelled_on_error():
            sent.append(send(0))
            sent[0].wait_until_finish()
            raise RuntimeError("later")

    with pytest.raises(RuntimeError, match="later"):
        step()
    assert sent[0].state == PipelineState.DONE


def test_beam_is_as_it_was_afterwards():
    before = beam.Pipeline.run
    with cancelled_on_error(), beam.Pipeline(runner="FnApiRunner") as pipeline:
        _ = pipeline | beam.Create([1])
    assert beam.Pipeline.run is before
