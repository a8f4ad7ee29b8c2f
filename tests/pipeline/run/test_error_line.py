"""The telling line of an error."""

import pytest
import tensorflow as tf

from pipeline.run.error_line import one_line


def test_of_tensorflow_it_is_what_went_wrong_and_not_where():
    images = tf.data.Dataset.from_tensors(b"no image").map(tf.io.decode_image)
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        next(iter(images))
    assert "Unknown image file format" in one_line(error.value)
    text = (
        "Graph execution error:\n\nDetected at node map/while/decode_image/DecodeImage defined at "
        "(most recent call last):\n<stack traces unavailable>\nUnknown image file format. One of "
        "JPEG, PNG, GIF, BMP required.\n\t [[{{node map}}]]\n [while running 'Run[Trainer]']"
    )
    assert one_line(ValueError(text)) == (
        "ValueError: Unknown image file format. One of JPEG, PNG, GIF, BMP required."
    )


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RuntimeError("no disk [while running 'Run[Trainer]']"), "RuntimeError: no disk"),
        (KeyError(), "KeyError"),
        (OSError("\n  \nfirst\nsecond"), "OSError: first"),
        (ValueError("Traceback"), "ValueError: Traceback"),
    ],
)
def test_of_others_it_is_the_first_line(error, text):
    assert one_line(error) == text


def test_a_beam_worker_that_was_killed_is_named():
    # Of Flink 1.19.3 and Beam's job server 2.62.0, whose worker was killed amid a stage.
    status = "org.apache.beam.vendor.grpc.v1p60p1.io.grpc.StatusRuntimeException: "
    text = (
        "Pipeline BeamApp-root-1130233635-24c24079_ec3301ec failed in state FAILED: "
        f"{status}{status}CANCELLED: call already cancelled. Use "
        "ServerCallStreamObserver.setOnCancelHandler() to disable this exception"
    )
    assert one_line(RuntimeError(text)).startswith(
        "RuntimeError: a Beam worker process ended amid its work (CANCELLED: call already "
        "cancelled): it was killed, or the machine ran out of memory."
    )
    other = f"Pipeline BeamApp failed in state FAILED: {status}UNAVAILABLE: io exception"
    assert one_line(RuntimeError(other)) == f"RuntimeError: {other}"


_LAST = "Traceback (most recent call last):\n"
_FRAMES = '  File "sdk_worker.py", line 310, in _execute\n    response = task()\n'


@pytest.mark.parametrize(
    "text",
    [
        # Beam's job service: the worker's traceback in the runner's.
        "Pipeline job-36 failed in state FAILED: Error running pipeline.\n"
        f"{_LAST}{_FRAMES}RuntimeError: {_LAST}{_FRAMES}\n"
        "During handling of the above exception, another exception occurred:\n\n"
        f"{_LAST}{_FRAMES}"
        "RuntimeError: split train: 3 records. Prepare: again [while running 'Check']\n",
        # Flink: Java's frames follow.
        "Pipeline BeamApp failed in state FAILED: java.lang.RuntimeException: Error received from "
        f"SDK harness for instruction 4: {_LAST}{_FRAMES}"
        "RuntimeError: split train: 3 records. Prepare: again\n\n\tat org.apache.Fn.get(Fn:180)\n",
    ],
)
def test_of_a_remote_worker_it_is_what_the_worker_raised(text):
    assert one_line(ValueError(text)) == "RuntimeError: split train: 3 records. Prepare: again"


def test_of_a_remote_worker_the_module_of_the_type_is_left_out():
    text = f"failed: {_LAST}{_FRAMES}components.errors.UserError: no"
    assert one_line(RuntimeError(text)) == "UserError: no"


def test_a_traceback_that_ends_in_no_error_is_noise():
    assert one_line(RuntimeError(f"first\n{_LAST}{_FRAMES}")) == ("RuntimeError: first")
