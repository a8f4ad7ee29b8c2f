"""The SDK's own client: that it takes our test server for one, and why kubeflow.client is not it.

Where a test of the second kind fails, the SDK has got better: read kubeflow/client/__init__.py.
"""

import json
import subprocess

import pytest

from tests.kubeflow.submit.conftest import PYTHON, ROOT
from tests.kubeflow.submit.runs import PASSED, shown
from tests.kubeflow.submit.server import error

_CLIENT = """
import sys, kfp_server_api
from kfp import Client
url = sys.argv[1]
"""


@pytest.fixture
def run(kfp, variables):
    """Runs lines of Python with a Client's class at hand; returns what they print and log."""

    def _run(lines, *arguments):
        command = [PYTHON, "-W", "ignore", "-c", _CLIENT + lines, kfp.url, *arguments]
        done = subprocess.run(
            command, check=True, env=variables, timeout=120, capture_output=True, text=True
        )
        return done.stdout, done.stderr

    return _run


def test_the_sdks_own_client_takes_the_test_server_for_one(run, kfp, package):
    code = (
        "c = Client(host=url)\n"
        "assert c.get_kfp_healthz().multi_user is False\n"
        "e = c.create_experiment('sdk').experiment_id\n"
        "create = c._pipelines_api.pipeline_service_create_pipeline\n"
        "p = create(c.api_models.V2beta1Pipeline(display_name='flowers'))\n"
        "v = c.upload_pipeline_version(sys.argv[2], 'v1', pipeline_name='flowers', "
        "description='d')\n"
        "r = c.run_pipeline(e, 'run', pipeline_id=p.pipeline_id, "
        "version_id=v.pipeline_version_id)\n"
        "assert c.wait_for_run_completion(r.run_id, 9, 0.1).state == 'SUCCEEDED'\n"
    )
    said, _ = run(code, package)
    # It prints links of its own for each of them, which no option turns off.
    assert said.count(" details: http") == 3
    assert kfp.runs[0]["pipeline_version_reference"] == {
        "pipeline_id": "p1",
        "pipeline_version_id": "v1",
    }


def test_its_models_have_no_field_for_the_servers_version(run):
    said, _ = run("print(*kfp_server_api.V2beta1GetHealthzResponse.attribute_map)")
    assert said.split() == ["multi_user", "pipeline_store"]


def test_it_asks_a_server_that_refuses_it_five_times_and_logs_tracebacks(run, kfp):
    kfp.answers = lambda request: error(401, "no user identity")
    lines = """
import inspect
print(inspect.signature(Client.get_kfp_healthz).parameters["sleep_duration"].default)
try:
    Client(host=url, namespace="not asked for").get_kfp_healthz(sleep_duration=0)
except TimeoutError as error:
    print(error)
"""
    said, logged = run(lines)
    assert said == "5\nFailed getting healthz endpoint after 5 attempts.\n"
    assert logged.count("Traceback") == len(kfp.asked) == 5


@pytest.mark.parametrize(
    ("answers", "end"),
    [
        pytest.param(lambda request: None, "TimeoutError", id="cancelled"),
        pytest.param(
            lambda request: error(503, "away") if "/runs/" in request.path else None,
            "ApiException",
            id="away for a moment",
        ),
    ],
)
def test_it_waits_for_a_cancelled_run_and_not_for_a_server(run, kfp, answers, end):
    kfp.runs.append({"run_id": "r1", "state": "CANCELED"})
    kfp.polls = [shown("CANCELED", PASSED)]
    kfp.answers = answers
    lines = """
try:
    Client(host=url).wait_for_run_completion("r1", timeout=0.5, sleep_duration=0.1)
except Exception as error:
    print(type(error).__name__)
"""
    assert run(lines)[0] == f"{end}\n"


def test_it_takes_namespace_and_cookie_from_the_home_folder(run, kfp, variables, tmp_path):
    context = tmp_path / ".config" / "kfp" / "context.json"
    context.parent.mkdir(parents=True)
    context.write_text(
        json.dumps({"namespace": "another", "client_authentication_cookie": "stale=1"})
    )
    given = {"operation": "EQUALS", "key": "display_name", "stringValue": "x"}
    kfp.multi_user = True
    run(f"Client(host=url).list_experiments(filter='{json.dumps({'predicates': [given]})}')")
    assert kfp.asked[0].query["namespace"] == "another"
    assert kfp.asked[0].headers["cookie"] == "stale=1"


def test_it_deletes_a_schedule_with_its_runs_only(run):
    said, _ = run(
        "import inspect; print(*inspect.signature(Client.delete_recurring_run).parameters)"
    )
    assert said.split() == ["self", "recurring_run_id"]


@pytest.mark.parametrize("name", ["recurring", "server", "transport"])
def test_the_examples_in_our_docstrings_run(name):
    code = (
        "import doctest, importlib, sys\n"
        "done = doctest.testmod(importlib.import_module('kubeflow.client.' + sys.argv[1]))\n"
        "assert done.attempted and not done.failed\n"
    )
    subprocess.run([PYTHON, "-c", code, name], cwd=ROOT, check=True)
