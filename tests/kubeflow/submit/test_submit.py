"""What a submission asks the server, and what it says and returns when all goes well."""

import json
import os
import pty
import re
import subprocess
import sys

import pytest

from tests.kubeflow.submit.conftest import PYTHON, ROOT
from tests.kubeflow.submit.runs import PASSED, shown
from tests.kubeflow.submit.server import CREATED


def test_a_run_is_uploaded_started_and_watched_to_its_end(submit, kfp, package):
    done = submit(
        *("--set", "training.epochs=3", "--set", "data.splits.train=train[:80%]"),
        *("--param", "epochs=7", "--run-name", "first", "--service-account", "trainer"),
    )
    assert (done.code, done.err) == (0, "")

    (upload,) = kfp.calls("POST", "/pipelines/upload_version")
    assert upload.body == package.read_bytes()
    assert upload.query["pipelineid"] == "p1"
    assert re.fullmatch("flowers-[0-9a-f]{12}", upload.query["name"])
    assert kfp.calls("POST", "/pipelines")[0].body == {"display_name": "flowers"}
    assert kfp.calls("POST", "/experiments")[0].body == {"display_name": "flowers"}

    (run,) = kfp.calls("POST", "/runs")
    assert run.body == {
        "display_name": "first",
        "experiment_id": "e1",
        "pipeline_version_reference": {"pipeline_id": "p1", "pipeline_version_id": "v1"},
        "runtime_config": {
            "parameters": {
                "epochs": "7",
                "overrides": ["training.epochs=3", "data.splits.train=train[:80%]"],
            }
        },
        "service_account": "trainer",
    }
    assert f"{kfp.url}/#/runs/details/r1" in done.out
    steps = re.findall(r"^ +\d+:\d\d  (\S+) +(\w+)$", done.out, re.M)
    assert steps == [
        ("prepare", "succeeded"),
        ("trainer", "running"),
        ("trainer", "succeeded"),
        ("evaluator", "succeeded"),
        ("finish", "succeeded"),
    ]
    assert done.out.endswith("Verdict   the new model passed every gate.\n")


def test_the_same_package_is_not_uploaded_twice(submit, kfp):
    assert submit("--upload-only").code == 0
    again = submit("--upload-only")
    assert again.code == 0
    assert "on the server already" in again.out
    assert len(kfp.calls("POST", "/pipelines/upload_version")) == 1
    assert len(kfp.calls("POST", "/pipelines")) == 1
    assert kfp.calls("POST", "/runs") == []


def test_a_version_name_with_another_content_is_refused(submit, kfp, package, tmp_path):
    assert submit("--upload-only", "--version-name", "v1").code == 0
    assert submit("--upload-only", "--version-name", "v1").code == 0
    changed = tmp_path / "flowers.yaml"
    changed.write_bytes(package.read_bytes() + b"# changed\n")
    refused = submit("--upload-only", "--version-name", "v1", file=changed)
    assert refused.code == 2
    assert "version v1 of flowers exists already with different content" in refused.err


def test_one_who_was_faster_is_no_conflict(submit, kfp):
    """The server says 409 to all three creations, since another submission has just made them."""

    def race(request):
        where = request.path.removeprefix("/apis/v2beta1/")
        if request.method == "POST" and where in ("pipelines", "experiments"):
            items = getattr(kfp, where)
            items.append({f"{where[:-1]}_id": where[0] + "1", **request.body})
            return 409, {"code": 6, "message": "already exists"}
        if where == "pipelines/upload_version":
            named = {"display_name": request.query["name"], "pipeline_version_id": "v9"}
            kfp.versions.append({"pipeline_id": "p1", **named})
            return 409, {"error_message": "Failed to create a pipeline version"}
        return None

    kfp.answers = race
    assert submit("--no-wait").code == 0
    reference = kfp.calls("POST", "/runs")[0].body["pipeline_version_reference"]
    assert reference == {"pipeline_id": "p1", "pipeline_version_id": "v9"}


def test_a_name_that_another_pipeline_has_is_reported(submit, kfp):
    kfp.versions.append({"pipeline_id": "other", "display_name": "v1", "pipeline_version_id": "v0"})
    taken = submit("--version-name", "v1")
    assert taken.code == 2
    assert "version name v1 is taken by another pipeline" in taken.err


def test_many_users_need_a_namespace(submit, kfp):
    kfp.multi_user = True
    refused = submit()
    assert refused.code == 2
    assert "say whose namespace with --namespace NS" in refused.err
    assert submit("--namespace", "team", "--experiment", "daily", "--no-wait").code == 0
    assert kfp.pipelines[0]["namespace"] == "team"
    assert kfp.experiments[0] | {"display_name": "daily", "namespace": "team"} == kfp.experiments[0]


def test_a_namespace_is_not_used_on_a_server_of_one_user(submit, kfp):
    done = submit("--namespace", "team", "--no-wait")
    assert done.code == 0
    assert "warning: the server has one user: --namespace is not used" in done.err


def test_an_archived_experiment_is_reported(submit, kfp):
    kfp.experiments.append(
        {"experiment_id": "e1", "display_name": "flowers", "storage_state": "ARCHIVED"}
    )
    refused = submit()
    assert refused.code == 2
    assert "experiment flowers is archived" in refused.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--param", "epoch=3"),
            "there is no epoch. Did you mean epochs? There are dataset, epochs",
        ),
        (("--param", "epochs={{workflow.name}}"), "--param epochs: '{{workflow.name}}' holds {{"),
        (("--param", "epochs={{"), "--param epochs: '{{' holds {{"),
        (("--set", "data.name={{inputs.x}}"), "--set data.name: 'data.name={{inputs.x}}' holds"),
        (("--set", "{{$.x}}.y=1"), "holds {{, which the cluster takes for a placeholder"),
        (("--run-name", "a {{b}}"), "--run-name: 'a {{b}}' holds {{"),
        (("--service-account", "{{x}}"), "--service-account: '{{x}}' holds {{"),
        (("--param", "epochs"), "write it as name=value"),
        (("--param", "overrides=[]"), "say it as --set section.key=value"),
        (("--set", "training.epoch=3"), "there is no epoch in training. Did you mean epochs?"),
        (("--set", "training"), "write it as section.key=value"),
        (("--cron", "0 2 * * *", "--recurring-name", "n"), 'write "0 0 2 * * *"'),
        (("--cron", "every day", "--recurring-name", "n"), "must have six fields"),
        (("--cron", "0 0 2 * * *"), "--cron needs --recurring-name"),
        (("--recurring-name", "n"), "--recurring-name goes with --cron"),
        (("--timeout", "0"), "--timeout must be more than 0"),
        (("--no-such",), "No such option '--no-such'"),
        (("--host", "localhost:8080"), "write it as http://... or https://..."),
        (("--host", "http://ann:pw@kfp"), "must not hold a password"),
        ((), "which server? Give --host URL or the variable KF_PIPELINES_ENDPOINT"),
    ],
)
def test_usage_is_answered_without_a_server(submit, kfp, arguments, sentence):
    refused = submit(*arguments, host=False)
    assert refused.code == 2
    assert sentence in refused.err
    assert kfp.asked == []


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("missing.yaml", None, "cannot be read: No such file or directory"),
        ("package.tar.gz", b"", "it must end in .yaml"),
        ("broken.yaml", b"a: [", "is not valid YAML"),
        ("bytes.yaml", b"\xff\xfe", "is not UTF-8 text"),
        (
            "other.yaml",
            b"kind: Pod\n",
            "is no package of Kubeflow Pipelines v2 ('root' is missing)",
        ),
        ("list.yaml", b"- 1\n", "is no package of Kubeflow Pipelines v2"),
    ],
)
def test_a_file_that_is_no_package_is_reported(submit, kfp, tmp_path, name, content, sentence):
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    refused = submit(file=file)
    assert refused.code == 2
    assert sentence in refused.err
    assert "bit-tfx kubeflow compile --help" in refused.err or "YAML" in refused.err
    assert kfp.asked == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("image: registry/bit:1", "image: registry/{{workflow.name}}:1"),
        ("name: flowers", "name: '{{x}}'"),
        ("- echo\n", '- \'{"data": "{{$.inputs.parameters[x]}}"}\'\n'),
    ],
)
def test_a_package_with_placeholders_that_are_not_kfps_is_refused(
    submit, kfp, package, tmp_path, old, new
):
    file = tmp_path / "old.yaml"
    text = package.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    refused = submit(file=file)
    assert refused.code == 2
    assert f"{file}: " in refused.err
    assert "holds {{" in refused.err
    assert kfp.asked == []


def test_nested_yaml_is_no_placeholder(submit, kfp):
    done = submit("--no-wait", "--set", "training.schedule={a: {b: {c: 1}}}")
    assert done.code == 0, done.err


def test_a_package_without_overrides_takes_no_set(submit, package, tmp_path):
    file = tmp_path / "old.yaml"
    file.write_text(package.read_text().replace("parameterType: LIST", "parameterType: STRING"))
    refused = submit("--set", "training.epochs=3", file=file)
    assert refused.code == 2
    assert "takes no --set" in refused.err


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["--no-such"], 2)])
def test_help_and_usage_import_no_sdk(arguments, code):
    command = [PYTHON, "-X", "importtime", "-m", "kubeflow.cli", "submit", *arguments]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == code
    assert "Exit codes:" in done.stdout or "error: No such option" in done.stderr
    assert not re.search(r"\| +(kfp|kfp_server_api|requests|pydantic|rich)$", done.stderr, re.M)


def test_the_main_environment_finds_the_sdk(start, kfp):
    process = start("--upload-only", python=sys.executable)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 0
    assert len(kfp.versions) == 1


def test_a_terminal_gets_the_same_lines_with_colours(start, variables):
    head, tail = pty.openpty()
    variables |= {"TERM": "xterm-256color"}
    process = start("--poll-seconds", "0.03", stdout=tail)
    assert process.wait(timeout=60) == 0
    os.close(tail)
    text = os.read(head, 65536).decode()
    os.close(head)
    assert re.search(r"trainer +\x1b\[32msucceeded", text)


def test_the_test_server_has_the_names_of_the_servers_models(kfp):
    """Every field that it answers with is one of kfp_server_api's models."""
    samples = {
        "V2beta1Run": {"run_id": "r1", "created_at": CREATED, **shown("RUNNING", PASSED, "FAILED")},
        "V2beta1RunDetails": shown("RUNNING", PASSED)["run_details"],
        "V2beta1PipelineTaskDetail": shown("RUNNING", PASSED)["run_details"]["task_details"][3],
        "V2beta1Pipeline": {"pipeline_id": "", "display_name": "", "namespace": ""},
        "V2beta1PipelineVersion": {"pipeline_version_id": "", "name": "", "description": ""},
        "V2beta1Experiment": {"experiment_id": "", "storage_state": "", "display_name": ""},
        "V2beta1RecurringRun": {"recurring_run_id": "", "status": "", "trigger": {}, "mode": ""},
        "V2beta1ListRecurringRunsResponse": {"recurringRuns": [], "total_size": 0},
        "V2beta1ListPipelineVersionsResponse": {"pipeline_versions": []},
    }
    code = (
        "import json, sys, kfp_server_api as a\n"
        "for name, one in json.load(sys.stdin).items():\n"
        "    assert set(one) <= set(getattr(a, name).attribute_map.values()), (name, one)\n"
    )
    subprocess.run([PYTHON, "-c", code], input=json.dumps(samples), text=True, check=True)
