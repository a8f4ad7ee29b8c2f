"""Getting in: servers that are not there or not ours, credentials, versions."""

import socket
import subprocess

import pytest

from tests.kubeflow.submit.conftest import PYTHON, ROOT
from tests.kubeflow.submit.server import error, upload_error

HEALTHZ = "/apis/v2beta1/healthz"


def test_a_port_where_nobody_listens_is_reported(submit):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        done = submit("--host", url, host=False)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"error: {url} cannot be reached: connection refused.\n"


def test_a_name_that_nobody_knows_is_reported(submit):
    done = submit("--host", "http://kfp.invalid", host=False)
    assert done.code == 2
    assert "http://kfp.invalid cannot be reached: its name is not known." in done.err


def test_in_a_pod_the_server_is_the_clusters(submit):
    done = submit(host=False, more={"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    assert done.code == 2
    assert "http://ml-pipeline.kubeflow.svc.cluster.local:8888 cannot be reached" in done.err


def test_the_server_may_come_from_the_environment(submit, kfp):
    done = submit("--upload-only", host=False, more={"KF_PIPELINES_ENDPOINT": kfp.url + "/"})
    assert done.code == 0
    assert kfp.asked[0].path == HEALTHZ


def test_links_lead_to_the_ui(submit):
    done = submit("--no-wait", more={"KF_PIPELINES_UI_ENDPOINT": "https://kubeflow/pipeline/"})
    assert "https://kubeflow/pipeline/#/runs/details/r1" in done.out


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (error(401, "no user identity"), "does not let us in without credentials (401): no user"),
        (
            error(403, "not yours"),
            "not yours (403). The account may not do this: check --namespace",
        ),
        ((403, b"RBAC: access denied"), "RBAC: access denied (403)"),
        (
            error(404, "Not Found"),
            "has no v2beta1 API (404): it is older than Kubeflow Pipelines 2",
        ),
        (
            (200, b"ok"),
            "does not speak KFP's v2beta1 API: its response to /apis/v2beta1/healthz",
        ),
        (
            (200, b"<html>Kubeflow</html>"),
            "does not let us in without credentials (200). Give --auth",
        ),
        (error(503, "no healthy upstream"), "no healthy upstream (503)"),
        ((200, {"apiServerReady": False}), "answers, but the API server behind it does not"),
        ((None, ""), "cannot be reached: it closed the connection"),
    ],
)
def test_a_server_that_is_not_for_us_is_reported(submit, kfp, answer, sentence):
    kfp.answers = lambda request: answer
    done = submit()
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert sentence in done.err


@pytest.mark.parametrize(
    ("method", "path", "answer", "sentence"),
    [
        ("POST", "/runs", error(400, "Invalid input error: bad."), "start the run: Invalid input"),
        ("POST", "/runs", error(403, "ann may not create runs."), "ann may not create runs (403)"),
        ("GET", "/experiments", error(500, "Internal Server Error"), "list experiments: Internal"),
        (
            "POST",
            "/pipelines/upload_version",
            upload_error(400, "pipeline upload denied: permission is required"),
            "flowers.yaml: pipeline upload denied: permission is required (400)",
        ),
        ("GET", "/pipelines", (200, b"[1]"), "its response to /apis/v2beta1/pipelines is not"),
        ("GET", "/pipelines", (200, b'{"pipelines": 5}'), "its answer is no V2beta1ListPipelines"),
    ],
)
def test_a_refusal_on_the_way_is_one_sentence(submit, kfp, method, path, answer, sentence):
    kfp.answers = lambda request: (
        answer if request.method == method and request.path.endswith(path) else None
    )
    done = submit()
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert sentence in done.err


@pytest.mark.parametrize(
    ("tag", "through_ui", "warning"),
    [
        ("2.17.0", False, ""),
        ("2.20.1", True, ""),
        ("v2.17.3", True, ""),
        ("2.16.2", True, "the server is 2.16.2: its API server lacks fixes for path traversal"),
        ("2.17.0-rc.1", False, "(#12928), cross-namespace artifacts (#12860) and CVE-2023-6570"),
        ("unknown", False, "the server does not say its version; make sure that it is 2.17.0"),
        (None, False, "the server does not say its version"),
    ],
)
def test_an_old_server_is_warned_about(submit, kfp, tag, through_ui, warning):
    kfp.tag, kfp.through_ui = tag, through_ui
    done = submit("--upload-only")
    assert done.code == 0
    assert warning in done.err
    assert done.err.startswith("warning: ") == bool(warning)


def test_a_token_comes_from_the_environment_or_a_file(submit, kfp, tmp_path):
    kfp.token = "secret-1"
    assert submit("--upload-only", more={"KFP_TOKEN": "secret-1"}).code == 0
    file = tmp_path / "token"
    file.write_text("secret-1\n")
    assert submit("--upload-only", "--token-file", file).code == 0
    assert submit("--upload-only", more={"KF_PIPELINES_SA_TOKEN_PATH": str(file)}).code == 0
    refused = submit(more={"KFP_TOKEN": "secret-2"})
    assert refused.code == 2
    assert "does not let us in with the token of KFP_TOKEN (401)" in refused.err
    assert "The credentials are wrong, or have expired." in refused.err
    assert "secret" not in refused.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--auth", "token"), "--auth token needs --token-file FILE or the variable KFP_TOKEN"),
        (("--token-file", "/no/such"), "the token in /no/such cannot be read: No such file"),
        (("--token-file", "/dev/null"), "there is no token in /dev/null"),
        (("--auth", "in-cluster"), "the token in /var/run/secrets/kubeflow/pipelines/token cannot"),
        (("--auth", "dex"), "--auth dex needs --dex-user NAME"),
        (("--dex-user", "ann"), "--auth dex needs --dex-password-file FILE or the variable"),
        (("--ca-cert", "/no/such"), "--ca-cert /no/such cannot be read: No such file"),
        (("--ca-cert", "/etc/hostname"), "--ca-cert /etc/hostname is no certificate"),
        (("--dex-user", "ann", "--dex-password-file", "/no/such"), "the password in /no/such"),
    ],
)
def test_missing_credentials_are_reported_before_a_request(submit, kfp, arguments, sentence):
    done = submit(*arguments)
    assert done.code == 2
    assert sentence in done.err
    assert kfp.asked == []


def test_a_token_in_a_file_may_change_while_the_run_goes(submit, kfp, tmp_path):
    file = tmp_path / "token"
    file.write_text("old")
    kfp.token = "old"
    polls = []

    def expire(request):
        if request.method == "GET" and "/runs/" in request.path:
            polls.append(request.headers["authorization"])
            kfp.token = "new"
            if len(polls) == 2:
                file.write_text("new")

    kfp.answers = expire
    assert submit("--auth", "token", "--token-file", file).code == 0
    assert polls[:3] == ["Bearer old", "Bearer old", "Bearer new"]


def test_a_token_that_expires_for_good_ends_the_waiting(submit, kfp):
    kfp.token = "old"
    kfp.answers = lambda request: (
        error(401, "token is expired") if request.path.endswith("/runs/r1") else None
    )
    done = submit(more={"KFP_TOKEN": "old"})
    assert done.code == 1
    assert "(401): token is expired" in done.err
    assert "The run goes on: " in done.err


def test_a_redirect_elsewhere_is_reported(submit, kfp):
    kfp.guard = lambda request: (308, {"Location": "https://kfp/apis"}, b"")
    done = submit()
    assert done.code == 2
    assert "redirects to https://kfp/apis: give that as --host" in done.err


def test_a_token_whose_file_goes_while_the_run_goes_ends_the_waiting(submit, kfp, tmp_path):
    file = tmp_path / "token"
    file.write_text("t")

    def remove(request):
        if request.path.endswith("/runs/r1"):
            file.unlink(missing_ok=True)
            return error(401, "token is expired")
        return None

    kfp.answers = remove
    done = submit("--token-file", file)
    assert done.code == 1
    assert f"the token in {file} cannot be read: No such file" in done.err
    assert "The run goes on: " in done.err


@pytest.mark.parametrize(
    ("mistake", "raised"),
    [
        ("server.runs.run_service_get_run, 'r1', no_such=1", "TypeError"),
        ("server.runs.run_service_get_run, None", "ValueError"),
        ("lambda: server.no_such", "AttributeError"),
    ],
)
def test_a_mistake_of_ours_is_not_the_servers(kfp, mistake, raised):
    code = f"""
import builtins, sys
from kubeflow.client.auth import Anonymous
from kubeflow.client.errors import call
from kubeflow.client.server import Server
from kubeflow.client.transport import Transport
server = Server(Transport(sys.argv[1]), Anonymous())
try:
    call("do it", {mistake})
except builtins.{raised}:
    print("seen")
"""
    printed = subprocess.check_output([PYTHON, "-c", code, kfp.url], cwd=ROOT, text=True)
    assert printed == "seen\n"
    assert kfp.asked == []
