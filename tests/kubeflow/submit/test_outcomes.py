"""How a run may end, or the waiting for it: each end's exit code and sentence."""

import re
import signal
import subprocess
import time

import pytest

from tests.kubeflow.submit.conftest import PYTHON, ROOT
from tests.kubeflow.submit.runs import PASSED, pod_of, shown
from tests.kubeflow.submit.server import error

RUNNING = shown("RUNNING", {"prepare": "SUCCEEDED", "trainer": "RUNNING"})
FAILED_AT_TRAINER = {
    "prepare": "SUCCEEDED",
    "trainer": "FAILED",
    "evaluator": "OMITTED",
    "finish": "SUCCEEDED",
}
FAILED_AT_PREPARE = {
    "prepare": "FAILED",
    "trainer": "OMITTED",
    "evaluator": "OMITTED",
    "finish": "SUCCEEDED",
}
ENDED = [{"state": "RUNNING"}, {"state": "CANCELING"}, {"state": "FAILED"}]


@pytest.mark.parametrize(
    ("end", "code", "sentence"),
    [
        pytest.param(
            shown("FAILED", FAILED_AT_TRAINER),
            1,
            f"step trainer failed; the log of trainer's pod {pod_of('trainer')} says why.",
            id="a step failed",
        ),
        pytest.param(
            shown("FAILED", {**FAILED_AT_TRAINER, "finish": "FAILED"}),
            1,
            "step trainer failed (then also finish);",
            id="and finish too",
        ),
        pytest.param(
            shown(
                "FAILED", {**FAILED_AT_TRAINER, "trainer": "OMITTED"}, drivers={"trainer": "FAILED"}
            ),
            1,
            "step trainer failed before its container started: the log of its driver says why.",
            id="a driver failed",
        ),
        pytest.param(
            shown("FAILED", FAILED_AT_PREPARE),
            2,
            "prepare failed, and it is what refuses a configuration or data; the log of prepare's "
            f"pod {pod_of('prepare')} says why.",
            id="prepare refused",
        ),
        pytest.param(
            shown(
                "FAILED", {**FAILED_AT_PREPARE, "prepare": "OMITTED"}, drivers={"prepare": "FAILED"}
            ),
            1,
            "step prepare failed before its container started",
            id="prepare's driver failed",
        ),
        pytest.param(
            shown("SUCCEEDED", PASSED, rejected="SUCCEEDED"),
            3,
            "a gate rejected the new model; what is served is untouched.",
            id="rejected",
        ),
        pytest.param(
            shown("FAILED", PASSED, rejected="FAILED"),
            3,
            "a gate rejected the new model",
            id="rejected, shown as a failure",
        ),
        pytest.param(
            shown("FAILED", {**PASSED, "finish": "FAILED"}, rejected="SUCCEEDED"),
            1,
            "step finish failed, and a gate rejected the model; the log of finish's pod",
            id="rejected, and a step failed",
        ),
        pytest.param(
            shown("FAILED", FAILED_AT_TRAINER, state_history=ENDED),
            1,
            "the run was cancelled.",
            id="terminated",
        ),
        pytest.param(
            shown("CANCELED", FAILED_AT_PREPARE), 1, "the run was cancelled.", id="canceled"
        ),
        pytest.param(
            shown("FAILED", {"prepare": "SUCCEEDED"}, error={"code": 13, "message": "no quota."}),
            1,
            "the run ended as FAILED: no quota.",
            id="no step failed",
        ),
        pytest.param(
            {"state": "SUCCEEDED"}, 1, "the server says nothing of its tasks", id="nothing of tasks"
        ),
    ],
)
def test_every_end_has_its_code_and_its_sentence(submit, kfp, end, code, sentence):
    kfp.polls = [RUNNING, end]
    done = submit()
    assert done.code == code
    assert sentence in done.err
    assert f"{kfp.url}/#/runs/details/r1" in done.err
    assert done.err.startswith("Verdict   " if code == 3 else "error: ")
    assert "Verdict" not in done.out


def test_ends_that_are_stored_after_the_runs_are_waited_for(submit, kfp):
    late = shown("SUCCEEDED", {**PASSED, "finish": "RUNNING"})
    kfp.polls = [RUNNING, late, shown("SUCCEEDED", PASSED, rejected="SUCCEEDED")]
    assert submit().code == 3


def test_a_retried_step_counts_by_its_last_end(submit, kfp):
    """After Retry in the UI both attempts are listed."""
    again = shown("SUCCEEDED", PASSED)
    old = shown("FAILED", FAILED_AT_TRAINER)["run_details"]["task_details"]
    for node in old:
        node["start_time"] = "2026-11-24T03:00:00Z"
    again["run_details"]["task_details"] += old
    kfp.polls = [again]
    assert submit().code == 0


def test_a_server_that_comes_back_is_waited_for(submit, kfp):
    answers = iter([error(503, "upstream is away"), (502, b"<html>Bad Gateway</html>"), (None, "")])

    def away(request):
        return next(answers, None) if request.method == "GET" and "/runs/" in request.path else None

    kfp.answers = away
    done = submit()
    assert done.code == 0
    assert "cannot read the run: upstream is away (503); trying for 1.8 s" in done.out
    assert "the server answers again" in done.out


def test_a_server_that_dies_is_given_up(submit, kfp):
    def dies(request):
        return (None, "") if request.method == "GET" and "/runs/" in request.path else None

    kfp.answers = dies
    done = submit("--poll-seconds", "0.01")
    assert done.code == 1
    assert "it closed the connection, 60 times in a row. The run goes on" in done.err
    assert f"POST to {kfp.url}/apis/v2beta1/runs/r1:terminate" in done.err


def test_a_run_that_is_deleted_is_reported(submit, kfp):
    kfp.answers = lambda request: (
        error(404, "ResourceNotFoundError: Run r1 not found.") if "/runs/" in request.path else None
    )
    done = submit()
    assert done.code == 1
    assert "cannot read the run: ResourceNotFoundError: Run r1 not found (404)" in done.err


def test_a_run_that_never_ends_is_left_to_itself(submit, kfp):
    kfp.polls = [RUNNING]
    start = time.monotonic()
    done = submit("--timeout", "0.3")
    assert time.monotonic() - start < 10
    assert done.code == 1
    assert "error: the run has not ended after 0.3 s. The run goes on: " in done.err
    assert kfp.calls("POST", ":terminate") == []


def test_no_wait_ends_when_the_run_has_started(submit, kfp):
    assert submit("--no-wait").code == 0
    assert kfp.calls("GET", "/runs/r1") == []


def test_a_server_that_goes_while_the_run_is_created_leaves_doubt(submit, kfp):
    kfp.answers = lambda request: (
        (None, "") if request.method == "POST" and request.path.endswith("/runs") else None
    )
    done = submit()
    assert done.code == 2
    assert "The run may have started all the same: look at" in done.err
    assert "/#/experiments/details/e1 before you submit it again" in done.err
    assert len(kfp.calls("POST", "/runs")) == 1


@pytest.mark.parametrize(
    ("answer", "doubt"),
    [
        pytest.param(
            error(
                500,
                "Failed to create a new run: InternalServerError: Failed to validate workflow for "
                "(): templates.root sorting failed: failed to resolve {{x}}",
            ),
            False,
            id="validation",
        ),
        pytest.param(
            error(
                500,
                "Failed to create a new run.: InternalServerError: failed to generate the "
                "ExecutionSpec.: Failed to verify parameters.: Invalid input error: Unrecognized "
                "input parameter: epoch",
            ),
            False,
            id="parameters",
        ),
        pytest.param(
            error(500, "InvalidInputError: unknown template format: pipeline spec is invalid"),
            False,
            id="invalid input",
        ),
        pytest.param(
            error(
                500,
                "Failed to create a workflow for (x): admission webhook policy.x denied the "
                "request: no team label",
            ),
            False,
            id="admission",
        ),
        pytest.param((429, {"message": "slow down"}), False, id="too many"),
        pytest.param((501, {"message": "not here"}), False, id="not implemented"),
        pytest.param(
            error(500, "InternalServerError: Failed to create a run: Error 1205: Lock wait"),
            True,
            id="storing failed",
        ),
        pytest.param((500, b"Internal Server Error"), True, id="a proxy's 500"),
        pytest.param((502, b"<html>Bad Gateway</html>"), True, id="502"),
        pytest.param(error(503, "upstream is away"), True, id="503"),
        pytest.param((504, b"upstream request timeout"), True, id="504"),
    ],
)
@pytest.mark.parametrize("what", ["runs", "recurringruns"])
def test_a_500_that_is_a_refusal_leaves_no_doubt(submit, kfp, answer, doubt, what):
    kfp.answers = lambda request: (
        answer if request.method == "POST" and request.path.endswith(f"/{what}") else None
    )
    cron = ("--cron", "0 0 2 * * *", "--recurring-name", "nightly")
    done = submit(*(cron if what == "recurringruns" else ()))
    assert done.code == 2
    assert done.err.startswith("error: cannot ")
    assert ("all the same" in done.err) == doubt
    assert f"({answer[0]})" in done.err
    assert len(kfp.calls("POST", f"/{what}")) == 1


def test_a_request_that_never_went_out_leaves_no_doubt():
    code = """
import socket, urllib3
from kubeflow.client.errors import unreachable
with socket.socket() as unused:
    unused.bind(("127.0.0.1", 0))
    port = unused.getsockname()[1]
for host in (f"http://127.0.0.1:{port}", "http://kfp.invalid"):
    try:
        urllib3.PoolManager().request("POST", host, retries=0)
    except urllib3.exceptions.HTTPError as error:
        print(unreachable(host, error).may_be_done)
"""
    printed = subprocess.check_output([PYTHON, "-c", code], cwd=ROOT, text=True)
    assert printed.split() == ["False", "False"]


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("terminates", [False, True])
def test_an_interrupt_says_what_becomes_of_the_run(start, kfp, kind, terminates):
    kfp.polls = [RUNNING]
    options = ["--terminate-on-interrupt"] if terminates else []
    process = start("--poll-seconds", "0.05", *options)
    end = time.monotonic() + 60
    while not kfp.calls("GET", "/runs/r1") and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(kind)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert len(kfp.calls("POST", "/runs/r1:terminate")) == terminates
    wanted = "the run is being terminated: " if terminates else "The run goes on: "
    assert re.search(rf"interrupted[.:] {wanted}{kfp.url}/#/runs/details/r1", err)
