"""The login at Dex, behind either guard, at the start and while the run goes."""

import pytest

from tests.kubeflow.submit.dex import Guard
from tests.kubeflow.submit.runs import PASSED, shown

RUNNING = shown("RUNNING", {"prepare": "RUNNING"})


@pytest.mark.parametrize(
    "guard",
    [
        pytest.param(Guard(), id="authservice"),
        pytest.param(Guard(proxy=True), id="oauth2-proxy"),
        pytest.param(Guard(connectors=True, approval=False), id="connectors, no approval"),
    ],
)
def test_dex_lets_in_who_has_the_password(submit, kfp, tmp_path, guard):
    kfp.guard = guard
    guard.sessions.clear()
    file = tmp_path / "password"
    file.write_text("right horse\n")
    done = submit("--dex-user", guard.user, "--dex-password-file", file)
    assert done.code == 0
    assert kfp.runs
    assert f"{guard.cookie}=session-1" in kfp.calls("POST", "/runs")[0].headers["cookie"]
    assert "horse" not in done.out + done.err


@pytest.mark.parametrize("wrong_status", [200, 401])
def test_a_wrong_password_is_one_sentence(submit, kfp, wrong_status):
    kfp.guard = Guard(wrong_status=wrong_status)
    variables = {"KFP_DEX_USER": "ann@example.com", "KFP_DEX_PASSWORD": "wrong horse"}
    done = submit(more=variables)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"error: Dex at {kfp.url} does not accept the password of ann@example.com.\n"
    )


@pytest.mark.parametrize("proxy", [False, True])
def test_who_forgets_to_log_in_is_reported(submit, kfp, proxy):
    kfp.guard = Guard(proxy=proxy)
    done = submit()
    assert done.code == 2
    assert "does not let us in without credentials (" in done.err
    assert "Give --auth dex, token or in-cluster." in done.err


def test_a_session_that_ends_while_the_run_goes_is_renewed(submit, kfp):
    guard = kfp.guard = Guard()
    kfp.polls = [RUNNING, RUNNING, shown("SUCCEEDED", PASSED)]

    def forget(request):
        if request.path.endswith("/runs/r1") and guard.sessions == ["session-1"]:
            guard.sessions[:] = ["forgotten"]

    kfp.answers = forget
    variables = {"KFP_DEX_USER": guard.user, "KFP_DEX_PASSWORD": guard.password}
    assert submit(more=variables).code == 0
    assert guard.sessions == ["forgotten", "session-2"]


def test_dex_that_is_not_there_is_reported(submit, kfp):
    kfp.guard = lambda request: (302, {"Location": "http://127.0.0.1:1/login"}, b"")
    variables = {"KFP_DEX_USER": "ann", "KFP_DEX_PASSWORD": "pw"}
    done = submit(more=variables)
    assert done.code == 2
    assert "cannot be reached: connection refused" in done.err
